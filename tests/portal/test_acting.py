"""Platform staff in a tenant: a reason, a fresh second factor, an end; the ledger and the owners see it."""

from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, Context, SessionFacts, service_context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound, StepUpRequired, TenantSuspended
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.gateway import pipeline
from apps.identity import selectors, tasks
from apps.identity import services as identity
from apps.identity.models import Acting
from apps.identity.types import ActingInfo
from apps.policy import services as policy
from apps.tenants import services as tenancy
from tests.admin.staff import Staff, staff, text_of, told
from tests.conftest import TenantKit, sequence
from tests.portal.visitors import signed_in
from tests.portal.visitors import text_of as page_of

REASON = "Ticket 4711: the import stands still"
EVENTS = ("identity.acting.started", "identity.acting.ended")


def of_staff(somebody: Staff, **facts: Any) -> Context:
    now = utc_now()
    session = SessionFacts(**({"authenticated_at": now, "second_factor_at": now} | facts))
    return Context(
        actor=Actor(ActorKind.USER, str(somebody.user.pk)), platform_roles=frozenset({"support"}), session=session
    )


def begin(somebody: Staff, kit: TenantKit, **more: Any) -> ActingInfo:
    with no_scope():
        return identity.start_acting(of_staff(somebody), tenant=kit.info, **({"reason": REASON, "minutes": 30} | more))


def told_in(kit: TenantKit) -> list[dict[str, Any]]:
    sequence()
    return [{"type": one.type} | orjson.loads(one.body)["data"] for one in told(kit.info.id, *EVENTS)]


def home(kit: TenantKit) -> str:
    return f"/t/{kit.info.slug}/"


def test_support_acts_for_a_reason_and_stops(tenant: TenantKit) -> None:
    helper = staff("support")
    assert helper.get(home(tenant)).status_code == 404, "a tenant is closed to staff"
    form = {"tenant": tenant.info.slug, "reason": REASON, "minutes": "30"}
    answer = helper.post("/admin/identity/acting/do/act/", form)
    assert answer.status_code == 302
    assert f"You act in {tenant.info.slug} until" in text_of(helper.get(answer["Location"]))
    for path in (home(tenant), f"{home(tenant)}entities/", "/account/security/", "/admin/", "/admin/tenants/tenant/"):
        page = text_of(helper.get(path))
        assert "Stop acting" in page and REASON in page and "reading only" in page, path
    for path in ("members/", "keys/", "ledger/", "imports/new/"):
        assert helper.get(home(tenant) + path).status_code == 403, path
    assert helper.post("/account/acting/stop/").status_code == 302
    assert helper.get(home(tenant)).status_code == 404
    assert "Stop acting" not in text_of(helper.get("/admin/"))
    ended, started = told_in(tenant)
    assert (started["type"], started["reason"], started["wide"]) == (EVENTS[0], REASON, False)
    assert (ended["type"], ended["how"]) == (EVENTS[1], "stopped")
    assert started["user_id"] == str(helper.user.pk)


def test_owners_see_who_acted_and_end_it(tenant: TenantKit) -> None:
    helper, owner = staff("support"), signed_in(tenant, "owner", second_factor=True)
    assert "Platform staff who acted here" not in page_of(owner.get("members/"))
    made = begin(helper, tenant)
    sequence()
    page = page_of(owner.get("members/"))
    assert REASON in page and "acts now" in page and "Staff" in page
    assert "Staff (platform staff)" in page_of(owner.get("ledger/"))
    assert signed_in(tenant, "reader", second_factor=True).post(f"staff/{made.id}/end/").status_code == 403
    assert helper.get(home(tenant)).status_code == 200
    assert owner.post(f"staff/{made.id}/end/").status_code == 302
    assert helper.get(home(tenant)).status_code == 404
    assert "ended by the tenant" in page_of(owner.get("members/"))
    assert owner.post(f"staff/{made.id}/end/").status_code == 404, "twice is once"
    assert told_in(tenant)[0]["how"] == "ended by the tenant"


def test_a_tenant_ends_nothing_elsewhere(tenant: TenantKit, outsider: TenantKit) -> None:
    helper = staff("support")
    made = begin(helper, tenant)
    stranger = signed_in(outsider, "owner", second_factor=True)
    assert stranger.post(f"staff/{made.id}/end/").status_code == 404
    assert stranger.post(f"{home(tenant)}staff/{made.id}/end/").status_code == 404
    assert REASON not in page_of(stranger.get("members/"))
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.acted(outsider.ctx) == [] and Acting.objects.count() == 0
    assert helper.get(home(tenant)).status_code == 200


def test_it_ends_by_itself_and_the_end_is_on_record(tenant: TenantKit) -> None:
    helper = staff("support")
    made = begin(helper, tenant)
    with no_scope():
        late = of_staff(helper).but(clock=lambda: made.ends_at + timedelta(seconds=1))
        with pytest.raises(NotFound):
            identity.enter_as_member(late, user=helper.user, tenant=tenant.info)
        tasks.expire_acting.run(service_context("scheduler"))
        assert [one["type"] for one in told_in(tenant)] == [EVENTS[0]], "not before its time"
        tasks.expire_acting.run(service_context("scheduler", clock=late.clock))
        tasks.expire_acting.run(service_context("scheduler", clock=late.clock))
    assert [one.get("how") for one in told_in(tenant)] == ["expired", None], "once"
    with no_scope(), system_scope("portal.admin"):
        assert Acting.objects.get(id=made.id).ended_at == made.ends_at


def test_what_it_takes_to_begin(tenant: TenantKit) -> None:
    helper, now = staff("support"), utc_now()
    with no_scope():
        for reason in ("", "because", " " * 40):
            with pytest.raises(InvalidInput):
                identity.start_acting(of_staff(helper), tenant=tenant.info, reason=reason, minutes=30)
        for minutes in (0, 31, 600):
            with pytest.raises(InvalidInput):
                identity.start_acting(of_staff(helper), tenant=tenant.info, reason=REASON, minutes=minutes)
        for given in (None, now - timedelta(minutes=16), now + timedelta(hours=1)):
            with pytest.raises(StepUpRequired):
                identity.start_acting(
                    of_staff(helper, second_factor_at=given), tenant=tenant.info, reason=REASON, minutes=30
                )
        member = tenant.member("owner")
        with pytest.raises(Forbidden):
            identity.start_acting(of_staff(Staff(member, helper.client)), tenant=tenant.info, reason=REASON, minutes=30)
    with tenant_scope(tenant.info.id):
        identity.add_member(tenant.ctx, user_id=helper.user.pk, roles=frozenset({"reader"}))
    with no_scope(), pytest.raises(Conflict, match="a member of this tenant"):
        identity.start_acting(of_staff(helper), tenant=tenant.info, reason=REASON, minutes=30)
    assert told_in(tenant) == []


def test_a_tenant_that_is_suspended_stays_closed(tenant: TenantKit) -> None:
    helper = staff("support")
    info = tenancy.change_status(tenant.ctx, tenant_id=tenant.info.id, to="suspended", reason="unpaid")
    with no_scope(), pytest.raises(TenantSuspended):
        identity.start_acting(of_staff(helper), tenant=info, reason=REASON, minutes=30)


def test_a_session_without_a_second_factor_does_not_act(tenant: TenantKit) -> None:
    helper = staff("support")
    begin(helper, tenant)
    with no_scope(), pytest.raises(NotFound):
        identity.enter_as_member(of_staff(helper, second_factor_at=None), user=helper.user, tenant=tenant.info)


def test_one_place_at_a_time(tenant: TenantKit, outsider: TenantKit) -> None:
    helper = staff("support")
    begin(helper, tenant)
    begin(helper, outsider)
    assert helper.get(home(tenant)).status_code == 404
    assert helper.get(home(outsider)).status_code == 200
    assert told_in(tenant)[0]["how"] == "stopped"
    helper.post("/logout/")
    assert told_in(outsider)[0]["how"] == "stopped", "signing out stops it"


def test_only_operators_act_widely_and_nobody_gives_roles(tenant: TenantKit) -> None:
    form = {"tenant": tenant.info.slug, "reason": REASON, "minutes": "60"}
    assert staff("support").post("/admin/identity/acting/do/act-widely/", form).status_code == 403
    for role in ("security", "sre"):
        assert staff(role).post("/admin/identity/acting/do/act/", form).status_code == 403
    stale = staff("operator", fresh=False)
    assert unquote(stale.post("/admin/identity/acting/do/act/", form)["Location"]).startswith(
        "/login/code/?next=/admin/"
    )
    operator = staff("operator")
    assert operator.post("/admin/identity/acting/do/act-widely/", form).status_code == 302
    assert "reading and writing" in text_of(operator.get(home(tenant)))
    assert operator.get(f"{home(tenant)}imports/new/").status_code == 200
    assert operator.get(f"{home(tenant)}members/").status_code == 403
    with no_scope():
        ctx = identity.enter_as_member(
            of_staff(operator).but(platform_roles=frozenset({"operator"})), user=operator.user, tenant=tenant.info
        )
    assert ctx.purpose == "platform-operations", "what names other purposes stays withheld"
    assert ctx.roles == {"analyst", "reader"} and identity.grantable(ctx) == {"analyst", "reader"}
    assert not policy.decide(ctx, "identity.member.manage").allow


def test_the_interfaces_let_staff_in_as_long_as_they_act(tenant: TenantKit) -> None:
    helper = staff("support")
    arrival = pipeline.Arrival(
        session_key=helper.client.cookies["ig_session"].value, tenant=tenant.info.slug, request_id=str(new_id())
    )
    with no_scope():
        with pytest.raises(NotFound):
            pipeline.admit(arrival)
        begin(helper, tenant)
        passage = pipeline.admit(arrival)
        assert passage.ctx.tenant_id == tenant.info.id and passage.ctx.roles == {"reader"}
        identity.stop_acting(of_staff(helper), user=helper.user)
        with pytest.raises(NotFound):
            pipeline.look_again(arrival)
