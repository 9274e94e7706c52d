"""The room where a tenant's admins see what was refused and why, and say from where people may work."""

import os
from uuid import UUID

import pytest

from apps.core import conf
from apps.core.errors import Forbidden
from apps.core.ids import new_id
from apps.core.scope import no_scope, tenant_scope
from apps.policy import selectors
from apps.policy import services as policy
from tests.admin.staff import told
from tests.conftest import TenantKit
from tests.portal.visitors import signed_in, text_of


def refusal(tenant: TenantKit, actor_id: str = "") -> UUID:
    with pytest.raises(Forbidden) as refused:
        policy.require(tenant.as_role("reader", actor_id=actor_id), "graph.entity.write")
    policy.flush_decisions()
    return UUID(refused.value.details["decision"])


@pytest.fixture
def in_germany(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a trusted proxy say that every visitor is in Germany."""
    settings = conf.read({**os.environ, "IG_TRUSTED_PROXIES": "127.0.0.1", "IG_COUNTRY_HEADER": "x-country"})
    monkeypatch.setattr(conf, "get", lambda: settings)


def test_an_admin_sees_what_was_refused_and_why(tenant: TenantKit) -> None:
    named = refusal(tenant)
    visitor = signed_in(tenant, "admin")
    page = text_of(visitor.get("access/"))
    assert "graph.entity.write" in page and "refused" in page
    assert text_of(visitor.get("access/?outcome=allow")).count("graph.entity.write") == 0
    why = text_of(visitor.get(f"access/{named}/"))
    assert "graph.entity.write is not allowed for reader" in why
    assert "The present rules decide the same." in why
    assert "create and update entities" in why
    assert visitor.get(f"access/{new_id()}/").status_code == 404
    assert visitor.get("access/?after=nonsense").status_code == 400
    assert visitor.get("access/?outcome=nonsense").status_code == 400


def test_others_see_their_own_decisions_only(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "analyst")
    own, foreign = refusal(tenant, visitor.user_id), refusal(tenant)
    assert visitor.get("access/").status_code == 403
    assert visitor.get(f"access/{own}/").status_code == 200
    assert visitor.get(f"access/{foreign}/").status_code == 404


def test_an_owner_fences_countries_and_stays_inside(tenant: TenantKit, in_germany: None) -> None:
    visitor = signed_in(tenant, "owner", second_factor=True)
    here = {"x-country": "DE"}
    form = {"version": "0", "countries": "de, AT", "reason": "contract"}
    assert "outside that fence" in text_of(visitor.post("access/fence/", {**form, "countries": "FR"}, headers=here))
    assert "no two-letter country code" in text_of(
        visitor.post("access/fence/", {**form, "countries": "Germany"}, headers=here)
    )
    assert visitor.post("access/fence/", {**form, "reason": ""}, headers=here).status_code == 422
    assert visitor.post("access/fence/", form, headers=here).status_code == 302
    with no_scope(), tenant_scope(tenant.info.id):
        assert selectors.fence().countries == {"DE", "AT"}
    assert visitor.post("access/fence/", form, headers=here).status_code == 409
    assert len(told(tenant.info.id, "policy.fence.changed")) == 1
    assert "from AT, DE only" in text_of(visitor.get("access/", headers=here))
    outside = visitor.get("access/", headers={"x-country": "FR"})
    assert outside.status_code == 403
    page = text_of(outside)
    assert (
        "does not admit sessions from FR" in page
        and "connect from a country that your organisation admits" in page.lower()
    )


def test_a_fence_needs_a_fresh_second_factor_and_the_right(tenant: TenantKit, in_germany: None) -> None:
    form = {"version": "0", "countries": "DE", "reason": "contract"}
    asked = signed_in(tenant, "owner").post("access/fence/", form, headers={"x-country": "DE"})
    assert asked.status_code == 302 and "/login/code/" in asked["Location"]
    assert signed_in(tenant, "analyst", second_factor=True).post("access/fence/", form).status_code == 403
    with no_scope(), tenant_scope(tenant.info.id):
        assert selectors.fence().countries == frozenset()
