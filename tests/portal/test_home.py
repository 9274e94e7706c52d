"""A tenant's home for each role, and the licences that travel with its data."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from apps.core.clock import utc_now
from apps.core.scope import no_scope, tenant_scope
from apps.core.sockets import ACTIONS, PANELS
from apps.identity import services as identity
from apps.portal import licences, navigation
from apps.portal.views import home
from apps.portal.views.home import per_hour
from tests.conftest import TenantKit
from tests.portal.conftest import Graph
from tests.portal.visitors import signed_in, text_of


def test_home_counts_what_is_there(tenant: TenantKit, graph_of: Callable[[TenantKit], Graph]) -> None:
    graph_of(tenant)
    page = text_of(signed_in(tenant, "owner").get(""))
    values = re.findall(r'class="stat-value">([^<]+?) ?<', page)
    assert values[:2] == ["4", "3"] and "caught up" in page
    assert "Nordlicht" in page and "Entities written" in page and "Saw" not in page


def test_more_records_than_are_counted_are_said_to_be_more(
    tenant: TenantKit, graph_of: Callable[[TenantKit], Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph_of(tenant)
    monkeypatch.setattr(home, "MOST_RECORDS", 2)
    values = re.findall(r'class="stat-value">([^<]+?) ?<', text_of(signed_in(tenant, "owner").get("")))
    assert values[2] == "2+"


def test_a_new_tenant_sees_its_first_steps(tenant: TenantKit) -> None:
    page = text_of(signed_in(tenant, "owner").get(""))
    assert "First steps" in page and "Bring in data" in page and "Verify the ledger" in page


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        (
            "owner",
            [
                "home",
                "entities",
                "imports",
                "ledger",
                "members",
                "keys",
                "issuers",
                "access",
                "flags",
                "limits",
                "settings",
            ],
        ),
        ("analyst", ["home", "entities", "imports", "ledger", "limits"]),
        ("reader", ["home", "entities", "limits"]),
        ("developer", ["home", "entities", "imports", "keys", "flags", "limits"]),
        ("dpo", ["home", "entities", "ledger", "limits"]),
        ("auditor:tenant", ["home", "ledger", "limits"]),
        ("billing", ["home", "limits"]),
    ],
)
def test_each_role_sees_the_pages_that_it_may_open(tenant: TenantKit, role: str, sees: list[str]) -> None:
    visitor = signed_in(tenant, role)
    page = text_of(visitor.get(""))
    links = re.findall(r'class="nav-link" href="(/t/[^"]+)"', page)
    assert [link.rstrip("/").split("/")[-1].replace(tenant.info.slug, "home") for link in links] == sees
    assert all(visitor.get(link).status_code == 200 for link in links)
    assert role in page


def test_records_fall_into_hours() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    moments = [(now - timedelta(minutes=m), 1) for m in (1, 59, 61, 23 * 60 + 59)]
    points = per_hour(moments, now)
    assert len(points) == 24 and points[-1] == 2 and points[-2] == 1 and points[0] == 1 and sum(points) == 4


def test_the_full_text_of_a_licence_is_shown(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "reader")
    assert "MITRE" in text_of(visitor.get("licences/attack/")) and visitor.get("licences/none/").status_code == 404


def test_notices_are_what_the_data_carries() -> None:
    found = licences.notices_of({"MITRE ATT&CK Terms of Use. © MITRE.", "", "CC BY 4.0"})
    assert [(one.name, one.key) for one in found] == [("CC BY 4.0", ""), ("MITRE ATT&CK Terms of Use", "attack")]
    assert found[1].notice == "MITRE ATT&CK Terms of Use. © MITRE."
    assert all(one.read().strip() for one in licences.full_texts())


def test_cards_of_apps_stand_on_the_home_of_whoever_may_see_them(tenant: TenantKit) -> None:
    tenant.key("reader")
    with no_scope(), tenant_scope(tenant.info.id):
        identity.create_api_key(tenant.ctx, name="soon over", scope="reader", expires_at=utc_now() + timedelta(days=3))
    owner = text_of(signed_in(tenant, "owner").get(""))
    assert "API keys that end soon" in owner and "soon over" in owner and "test reader" not in owner
    assert "of 3,000 used now" in owner
    reader = text_of(signed_in(tenant, "reader").get(""))
    assert "soon over" not in reader and "of 3,000 used now" in reader
    assert "used now" not in text_of(signed_in(tenant, "auditor:org").get(""))


def test_every_card_names_an_action_and_pages_that_exist() -> None:
    assert len(PANELS) >= 3
    for panel in PANELS:
        assert panel.action in ACTIONS
        assert panel.page in {page.name for page in navigation.PAGES}


def test_the_palette_puts_a_page_first_that_is_named_so(
    tenant: TenantKit, graph_of: Callable[[TenantKit], Graph]
) -> None:
    graph_of(tenant)
    visitor = signed_in(tenant, "owner")
    named = text_of(visitor.get("-/palette/?q=aud"))
    assert "/audit/" in named and "verify the ledgers" in named
    found = text_of(visitor.get("-/palette/?q=hammer"))
    assert "Hammer" in found and "/audit/" not in found
    both = text_of(visitor.get("-/palette/?q=l"))
    assert both.index("found-pages") < both.index("Light appearance")
    assert "/audit/" not in text_of(signed_in(tenant, "reader").get("-/palette/?q=aud"))
