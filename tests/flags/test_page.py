"""The page of a tenant's flags: read-only, of this tenant, for those who may."""

import re

import pytest

from apps.core.scope import no_scope
from apps.flags import services
from tests.conftest import TenantKit
from tests.flags.test_registry import CTX, make, row_of
from tests.portal.visitors import signed_in, text_of


def row(page: str, key: str) -> str:
    """Return the words of a flag's row; empty when there is none."""
    found = next((part for part in page.split("<tr>") if f">{key}<" in part), "")
    return " ".join(re.sub(r"<[^>]+>", " ", found).split())


def test_it_shows_what_each_flag_is_here(tenant: TenantKit, outsider: TenantKit) -> None:
    key, killed = make(about="Larger buffers <b>here</b>", owner="team-x"), make(default="on")
    hidden, expired = make(remote=False), make(expires="2020-01-31")
    services.target_tenant(
        CTX, key=key, tenant_id=tenant.info.id, variant="on", expected_version=row_of(key).version, reason="pilot"
    )
    services.kill(CTX, key=killed, reason="now")
    page, other = (text_of(signed_in(kit, "admin").get("flags/")) for kit in (tenant, outsider))
    assert "on a rule fits live team-x 31 Dec 2099" in row(page, key)
    assert "off no rule fits" in row(other, key)
    assert "<b>here</b>" not in page
    assert "off its kill switch is thrown killed" in row(page, killed)
    assert "expired" in row(page, expired)
    assert row(page, hidden) == ""
    assert "pilot" not in page, "why one tenant has it is no other's matter, and not this page's"
    assert tenant.info.slug not in other


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("owner", 200),
        ("admin", 200),
        ("developer", 200),
        ("analyst", 403),
        ("reader", 403),
        ("billing", 403),
        ("dpo", 403),
    ],
)
def test_who_may_see_it(tenant: TenantKit, role: str, status: int) -> None:
    assert signed_in(tenant, role).get("flags/").status_code == status


def test_nothing_is_changed_by_it(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "owner")
    with no_scope():
        assert visitor.client.post(f"/t/{tenant.info.slug}/flags/").status_code in {403, 405}
