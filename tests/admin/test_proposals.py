"""Two people: what one of the staff proposes another approves or rejects, nobody their own, and nothing comes of it else."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import IntegrityError, transaction

from apps.core.clock import utc_now
from apps.core.context import service_context
from apps.core.scope import PLATFORM_TENANT_ID, no_scope, system_scope
from apps.ledger import selectors as ledger
from apps.portal import services
from apps.portal.models import Proposal
from apps.quotas import selectors as quotas
from apps.quotas.models import Override
from apps.quotas.types import Limit, Measure
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from tests.admin.staff import Staff, staff, text_of, told, words_of
from tests.conftest import TenantKit, make_tenant

EVENTS = {state: f"portal.proposal.{state}" for state in ("made", "applied", "rejected", "expired")}
GRANT = {"measure": "api", "rate_per_s": "500", "burst": "30000", "days": "14", "reason": "load test"}


@pytest.fixture
def kit() -> TenantKit:
    with no_scope():
        return make_tenant()


def propose_plan(person: Staff, kit: TenantKit, plan: str = "pro") -> Any:
    return person.post(f"/admin/tenants/tenant/do/plan/?id={kit.info.id}", {"plan": plan, "reason": "they grew"})


def proposal_of(kit: TenantKit) -> Proposal:
    with no_scope(), system_scope("portal.admin"):
        return Proposal.objects.get(tenant_id=kit.info.id)


def decide(person: Staff, row: Proposal, verb: str, **answers: str) -> Any:
    return person.post(f"/admin/portal/proposal/do/{verb}/?id={row.pk}", answers)


def plan_of(kit: TenantKit) -> str:
    found = tenants.by_slug(kit.info.slug)
    assert found is not None
    return found.plan


def recorded(row: Proposal, event: str) -> list[Any]:
    with no_scope(), system_scope("portal.admin"):
        return list(ledger.told(PLATFORM_TENANT_ID, (EVENTS[event],), key="proposal_id", value=str(row.pk)))


def test_a_change_of_plan_waits_for_a_second_person_and_is_applied(kit: TenantKit) -> None:
    maker, checker = staff("operator"), staff("operator")
    asked = text_of(maker.get(f"/admin/tenants/tenant/do/plan/?id={kit.info.id}"))
    assert "A second person decides" in asked and "Propose" in asked
    answer = propose_plan(maker, kit)
    row = proposal_of(kit)
    assert answer["Location"] == f"/admin/portal/proposal/{row.pk}/change/"
    assert plan_of(kit) == "starter" and not told(kit.info.id, "tenants.tenant.plan_changed")
    page = words_of(checker.get(answer["Location"]))
    assert "plan starter pro" in page and "Approve and apply" in page and row.verdict["rule"] in page
    assert "they grew" in page, "whoever decides reads why it was asked for"
    assert "Approve and apply" not in words_of(maker.get(answer["Location"])), "not offered to the maker"
    assert decide(checker, row, "approve").status_code == 302
    assert plan_of(kit) == "pro"
    (changed,) = told(kit.info.id, "tenants.tenant.plan_changed")
    assert changed.actor == f"user:{checker.user.pk}"
    (made,), (applied,) = recorded(row, "made"), recorded(row, "applied")
    assert made.actor == f"user:{maker.user.pk}" and applied.actor == f"user:{checker.user.pk}"
    assert orjson.loads(applied.body)["data"]["made_by"] == str(maker.user.pk)
    assert "applied" in words_of(maker.get(answer["Location"]))


def test_nobody_approves_their_own(kit: TenantKit) -> None:
    maker = staff("operator")
    propose_plan(maker, kit)
    row = proposal_of(kit)
    refused = decide(maker, row, "approve")
    assert refused.status_code == 409 and "somebody else decides" in text_of(refused)
    assert plan_of(kit) == "starter" and proposal_of(kit).state == "open" and not recorded(row, "applied")
    with no_scope(), system_scope("portal.admin"), pytest.raises(IntegrityError), transaction.atomic(using="system"):
        Proposal.objects.filter(pk=row.pk).update(state="applied", decided_by=row.made_by)


def test_a_rejected_one_says_why_and_changes_nothing(kit: TenantKit) -> None:
    propose_plan(staff("operator"), kit)
    row, checker = proposal_of(kit), staff("operator")
    assert decide(checker, row, "reject", reason="").status_code == 422
    assert decide(checker, row, "reject", reason="not agreed").status_code == 302
    assert plan_of(kit) == "starter"
    (record,) = recorded(row, "rejected")
    assert orjson.loads(record.body)["data"]["reason"] == "not agreed"
    again = text_of(decide(staff("operator"), row, "approve"))
    assert "it is rejected already" in again and plan_of(kit) == "starter"


def test_one_may_take_back_ones_own(kit: TenantKit) -> None:
    maker = staff("operator")
    propose_plan(maker, kit)
    assert decide(maker, proposal_of(kit), "reject", reason="my mistake").status_code == 302
    assert proposal_of(kit).state == "rejected"


def test_what_changed_meanwhile_is_not_applied_over(kit: TenantKit) -> None:
    propose_plan(staff("operator"), kit)
    with no_scope():
        tenancy.change_plan(service_context("test"), tenant_id=kit.info.id, plan="enterprise", reason="other way")
    refused = decide(staff("operator"), proposal_of(kit), "approve")
    assert refused.status_code == 409 and "is not what was proposed" in text_of(refused)
    assert plan_of(kit) == "enterprise" and proposal_of(kit).state == "open"


def test_a_proposal_expires(kit: TenantKit) -> None:
    propose_plan(staff("operator"), kit)
    row = proposal_of(kit)
    with no_scope(), system_scope("portal.admin"):
        Proposal.objects.filter(pk=row.pk).update(expires_at=utc_now() - timedelta(seconds=1))
    late = text_of(decide(staff("operator"), row, "approve"))
    assert "it has expired" in late and plan_of(kit) == "starter"
    with no_scope():
        assert services.expire(service_context("test")) >= 1
        services.expire(service_context("test"))
    assert proposal_of(kit).state == "expired" and len(recorded(row, "expired")) == 1


def test_deciding_needs_a_fresh_second_factor_and_the_right(kit: TenantKit) -> None:
    propose_plan(staff("operator"), kit)
    row = proposal_of(kit)
    stale = decide(staff("operator", fresh=False), row, "approve")
    assert stale.status_code == 302 and stale["Location"].startswith("/login/code/")
    for role in ("sre", "support", "security", "finops"):
        assert decide(staff(role), row, "approve").status_code == 403
        assert staff(role).get(f"/admin/portal/proposal/{row.pk}/change/").status_code == 403
    assert plan_of(kit) == "starter" and proposal_of(kit).state == "open"


def test_proposing_needs_the_right_and_a_change(kit: TenantKit) -> None:
    assert propose_plan(staff("support"), kit).status_code == 403
    assert propose_plan(staff("operator", fresh=False), kit)["Location"].startswith("/login/code/")
    same = propose_plan(staff("operator"), kit, "starter")
    assert same.status_code == 409 and "This would change nothing" in text_of(same)
    with no_scope(), system_scope("portal.admin"):
        assert not Proposal.objects.filter(tenant_id=kit.info.id).exists()
    assert propose_plan(staff("operator"), kit).status_code == 302
    twice = propose_plan(staff("operator"), kit)
    assert twice.status_code == 409 and "proposed already" in text_of(twice)


def test_a_limit_is_granted_by_two_people_for_a_time_and_withdrawn(kit: TenantKit) -> None:
    maker, checker = staff("operator"), staff("operator")
    proposed = maker.post("/admin/quotas/override/do/grant/", {**GRANT, "tenant": kit.info.slug})
    row = proposal_of(kit)
    assert proposed.status_code == 302 and row.changes[0][1:] == ["50 calls a second, 3,000 at once", "500 calls a second, 30,000 at once"]  # fmt: skip
    with no_scope():
        assert quotas.limit_now(kit.info.id, Measure.API) == Limit(50, 3000)
    assert decide(checker, row, "approve").status_code == 302
    with no_scope():
        assert quotas.limit_now(kit.info.id, Measure.API) == Limit(500, 30000)
    with no_scope(), system_scope("portal.admin"):
        held = Override.objects.get(tenant_id=kit.info.id)
    assert timedelta(days=13) < held.until - utc_now() <= timedelta(days=14)
    (granted,) = told(kit.info.id, "quotas.override.granted")
    assert orjson.loads(granted.body)["data"]["reason"] == "load test"
    maker.post(f"/admin/quotas/override/do/withdraw/?id={held.pk}", {"reason": "test is over"})
    with no_scope(), system_scope("portal.admin"):
        second = Proposal.objects.get(tenant_id=kit.info.id, verb="withdraw")
    assert decide(checker, second, "approve").status_code == 302
    with no_scope():
        assert quotas.limit_now(kit.info.id, Measure.API) == Limit(50, 3000)
    assert told(kit.info.id, "quotas.override.withdrawn")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": "no-such-tenant"},
        {"measure": "everything"},
        {"rate_per_s": "0"},
        {"rate_per_s": "nan"},
        {"rate_per_s": "inf"},
        {"burst": "0"},
        {"days": "0"},
        {"days": "367"},
        {"reason": ""},
    ],
)
def test_a_limit_that_cannot_be_is_not_proposed(kit: TenantKit, wrong: dict[str, str]) -> None:
    answer = staff("operator").post("/admin/quotas/override/do/grant/", {**GRANT, "tenant": kit.info.slug, **wrong})
    assert answer.status_code in {409, 422}
    with no_scope(), system_scope("portal.admin"):
        assert not Proposal.objects.filter(tenant_id=kit.info.id).exists()


def test_a_proposal_of_an_act_that_is_not_known_is_not_applied(kit: TenantKit) -> None:
    propose_plan(staff("operator"), kit)
    row = proposal_of(kit)
    for changed in ({"verb": "suspend"}, {"model": "identity.user"}, {"action": "platform.health.read"}):
        with no_scope(), system_scope("portal.admin"):
            Proposal.objects.filter(pk=row.pk).update(**changed)
        refused = decide(staff("operator"), row, "approve")
        assert refused.status_code == 409 and "does not know the act" in text_of(refused), changed
    assert plan_of(kit) == "starter"


def test_what_is_open_stands_on_the_front_page(kit: TenantKit) -> None:
    propose_plan(staff("operator"), kit)
    words = words_of(staff("operator").get("/admin/"))
    assert "for a second person" in words and "Sessions" in words and "Sign-ins refused" in words
    assert UUID(str(proposal_of(kit).pk))
