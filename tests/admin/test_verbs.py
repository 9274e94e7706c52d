"""Every act names its consequences, asks, calls one service, and is in the ledger; a refusal changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model

from apps.bus.events import ParkedDropped, ParkedReplayed
from apps.bus.models import Parked
from apps.connectors.models import IngestJob
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope
from apps.core.sockets import SUBSCRIBERS
from apps.identity.events import ApiKeyRevoked, MemberAdded, MemberRemoved, MemberRolesChanged, UserCreated
from apps.identity.models import Acting, ApiKey, Membership, User
from apps.ledger.models import Record
from apps.ledger.selectors import head_position
from apps.tenants.events import TenantCreated, TenantStatusChanged
from apps.tenants.models import Tenant
from apps.vault.events import SigningKeyRotated
from apps.vault.models import SigningKey
from tests.admin.conftest import World, make_world
from tests.admin.staff import Staff, staff, text_of, told, told_of_platform, words_of
from tests.conftest import PASSWORD, make_tenant, sequence


def again(row: Model) -> Any:
    """Read a row anew, as the system role."""
    with no_scope(), system_scope("portal.admin"):
        return type(row)._default_manager.get(pk=row.pk)


def counted() -> tuple[int, ...]:
    """How much there is of what verbs make: the same before and after a refusal."""
    with no_scope(), system_scope("portal.admin"):
        kinds = (Tenant, User, Membership, SigningKey, LogEntry, Record)
        return tuple(kind._default_manager.count() for kind in kinds)


def do(model: str, verb: str, *rows: Any) -> str:
    query = "&".join(f"id={getattr(row, 'pk', row)}" for row in rows)
    return f"/admin/{model.replace('.', '/')}/do/{verb}/{'?' + query if query else ''}"


def tenant_of(world: World) -> Any:
    with no_scope(), system_scope("portal.admin"):
        return Tenant.objects.get(pk=world.kit.info.id)


def by(person: Staff, records: list[Any]) -> list[Any]:
    return [one for one in records if one.actor == f"user:{person.user.pk}"]


# -- tenants -------------------------------------------------------------------------------------------------------

NEW_TENANT = {
    "name": "New",
    "home_region": "eu-west-1",
    "allowed_regions": "us-east-1",
    "isolation_tier": "mt",
    "plan": "pro",
}


def test_a_tenant_is_made_by_its_verb(operator: Staff) -> None:
    slug = f"n{new_id().hex[-10:]}"
    assert "Create a tenant" in words_of(operator.get(do("tenants.tenant", "create")))
    answer = operator.post(do("tenants.tenant", "create"), {"slug": slug, **NEW_TENANT})
    assert answer.status_code == 302
    with no_scope(), system_scope("portal.admin"):
        made = Tenant.objects.get(slug=slug)
        assert (made.plan, made.allowed_regions) == ("pro", ["eu-west-1", "us-east-1"])
        assert LogEntry.objects.filter(user=operator.user, object_id=str(made.pk), action_flag=1).count() == 1
    assert answer["Location"] == f"/admin/tenants/tenant/{made.pk}/change/"
    assert len(by(operator, told(made.pk, TenantCreated.name))) == 1
    assert f"Created the tenant {slug}" in words_of(operator.get(answer["Location"]))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"slug": "Not A Slug"}, "slug must be 3 to 40"),
        ({"slug": ""}, "This field is required"),
        ({"isolation_tier": "none"}, "not one of the available choices"),
    ],
)
def test_a_tenant_that_is_wrong_is_refused_with_the_field(operator: Staff, wrong: dict[str, str], says: str) -> None:
    operator.get("/admin/")
    before = counted()
    answer = operator.post(do("tenants.tenant", "create"), {"slug": f"n{new_id().hex[-10:]}", **NEW_TENANT, **wrong})
    assert answer.status_code in {409, 422}
    assert says.lower() in words_of(answer).lower() and 'aria-invalid="true"' in text_of(answer)
    assert counted() == before


def test_a_slug_that_is_taken_is_refused(world: World, operator: Staff) -> None:
    answer = operator.post(do("tenants.tenant", "create"), {"slug": world.kit.info.slug, **NEW_TENANT})
    assert answer.status_code == 409
    assert "is taken. Choose another slug." in words_of(answer)


def test_a_tenant_is_suspended_and_reactivated_with_reasons() -> None:
    operator, kit = staff("operator"), make_tenant()
    suspend = do("tenants.tenant", "suspend", kit.info.id)
    asked = operator.get(suspend)
    assert "are refused from the next request on" in words_of(asked)
    assert told(kit.info.id, TenantStatusChanged.name) == []
    assert operator.post(suspend, {"reason": "unpaid, ticket 7"}).status_code == 302
    assert operator.post(suspend, {"reason": "again"}).status_code == 200  # nothing fits any more; nothing was done
    assert operator.post(do("tenants.tenant", "reactivate", kit.info.id), {"reason": "paid"}).status_code == 302
    records = by(operator, told(kit.info.id, TenantStatusChanged.name))
    assert [b'"after":"active"' in one.body for one in records] == [True, False]
    history = words_of(operator.get(f"/admin/tenants/tenant/{kit.info.id}/history/"))
    assert "unpaid, ticket 7" in history and "was active and is suspended now" in history


def test_offboarding_wants_the_name_typed() -> None:
    operator, kit = staff("operator"), make_tenant()
    address = do("tenants.tenant", "offboard", kit.info.id)
    operator.get("/admin/")
    before = counted()
    for typed in ("", "wrong", kit.info.slug.upper()):
        answer = operator.post(address, {"reason": "leaves", "typed_name": typed})
        assert answer.status_code == 422
    assert counted() == before
    assert operator.post(address, {"reason": "leaves", "typed_name": kit.info.slug}).status_code == 302
    assert len(told(kit.info.id, TenantStatusChanged.name)) == 1


# -- accounts, members, keys ---------------------------------------------------------------------------------------


def test_an_account_and_a_membership_are_made_and_changed_and_ended() -> None:
    operator, kit = staff("operator"), make_tenant()
    email = f"a{new_id().hex}@{kit.info.slug}.example"
    assert (
        operator.post(do("identity.user", "create"), {"email": email, "name": "Bo", "password": "short"}).status_code
        == 409
    )
    assert (
        operator.post(do("identity.user", "create"), {"email": email, "name": "Bo", "password": PASSWORD}).status_code
        == 302
    )
    with no_scope(), system_scope("portal.admin"):
        user = User.objects.get(email=email)
    assert len([one for one in told_of_platform(UserCreated.name) if str(user.pk).encode() in one.body]) == 1
    added = operator.post(
        do("identity.membership", "add"), {"tenant": kit.info.slug, "email": email, "roles": ["owner", "analyst"]}
    )
    with no_scope(), system_scope("portal.admin"):
        member = Membership.objects.get(user=user)
    assert (added.status_code, member.roles) == (302, ["analyst", "owner"])
    last = operator.post(do("identity.membership", "roles", member), {"roles": ["reader"]})
    assert last.status_code == 409 and "the last owner must stay owner" in words_of(last).lower()
    assert again(member).roles == ["analyst", "owner"]
    kit.member("owner")
    assert operator.post(do("identity.membership", "roles", member), {"roles": ["reader"]}).status_code == 302
    assert again(member).roles == ["reader"]
    assert f"{email} in {kit.info.slug}" in words_of(operator.get(do("identity.membership", "remove", member)))
    assert operator.post(do("identity.membership", "remove", member)).status_code == 302
    assert again(member).active is False
    types = (MemberAdded.name, MemberRolesChanged.name, MemberRemoved.name)
    assert [one.type for one in by(operator, told(kit.info.id, *types))] == [types[2], types[1], types[0]]
    history = text_of(operator.get(f"/admin/identity/membership/{member.pk}/history/"))
    assert "<del>analyst, owner</del>" in history and "<ins>reader</ins>" in history


def test_somebody_unknown_cannot_become_a_member(world: World, operator: Staff) -> None:
    operator.get("/admin/")
    before = counted()
    for data, says in (
        ({"tenant": "no-such", "email": world.member.email, "roles": ["owner"]}, "There is no tenant no-such"),
        ({"tenant": world.kit.info.slug, "email": "no@body.example", "roles": ["owner"]}, "Create the account first."),
        (
            {"tenant": world.kit.info.slug, "email": world.member.email, "roles": ["king"]},
            "not one of the available choices",
        ),
    ):
        answer = operator.post(do("identity.membership", "add"), data)
        assert answer.status_code in {409, 422} and says in words_of(answer)
    assert counted() == before


def test_keys_are_revoked_one_or_several_at_once() -> None:
    operator, kit = staff("operator"), make_tenant()
    for name in ("reader", "writer", "admin"):
        kit.key(name)
    with no_scope(), system_scope("portal.admin"):
        keys = list(ApiKey.objects.filter(tenant_id=kit.info.id))
    chosen = operator.post(
        "/admin/identity/apikey/", {"action": "revoke", "index": "0", "_selected_action": [k.pk for k in keys[:2]]}
    )
    assert chosen.status_code == 302 and chosen["Location"].startswith("/admin/identity/apikey/do/revoke/?id=")
    assert all(again(key).revoked_at is None for key in keys)  # choosing asks; it does not act
    assert "cannot be brought back" in words_of(operator.get(chosen["Location"]))
    assert operator.post(chosen["Location"]).status_code == 302
    assert [again(key).revoked_at is None for key in keys] == [False, False, True]
    assert len(by(operator, told(kit.info.id, ApiKeyRevoked.name))) == 2


def test_a_job_is_cancelled(operator: Staff) -> None:
    world = make_world()
    assert operator.post(do("connectors.ingestjob", "cancel", world.job)).status_code == 302
    assert again(world.job).state == "cancelled"
    assert "it has ended" in words_of(operator.get(do("connectors.ingestjob", "cancel", world.job)))


def test_the_signing_key_is_rotated(world: World, operator: Staff) -> None:
    with no_scope(), system_scope("portal.admin"):
        before = SigningKey.objects.get(status="active")
    assert operator.post(do("vault.signingkey", "rotate"), {"overlap_days": "91"}).status_code == 422
    assert again(before).status == "active"
    assert operator.post(do("vault.signingkey", "rotate"), {"overlap_days": "3"}).status_code == 302
    assert again(before).status == "retiring"
    assert len(by(operator, told_of_platform(SigningKeyRotated.name))) == 1


# -- parked events -------------------------------------------------------------------------------------------------


@pytest.fixture
def taker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A subscriber of this release that does what the test says."""

    class Taker:
        name = f"test.{new_id().hex}"
        types: tuple[str, ...] = ()
        wants_items = True
        refuse = ""
        seen: list[int] = []  # noqa: RUF012

        def handle(self, batch: Any) -> None:
            if self.refuse:
                raise ValueError(self.refuse)
            self.seen.extend(event.position for event in batch)

    one = Taker()
    one.seen = []
    monkeypatch.setitem(SUBSCRIBERS._plugs, one.name, one)
    return one


def last_position() -> int:
    sequence()
    with no_scope(), system_scope("portal.admin"):
        return head_position()


def test_a_parked_event_is_replayed_once_and_on_record(world: World, operator: Staff, taker: Any) -> None:
    row = world.park(taker.name, position=last_position())
    address = do("bus.parked", "replay", row)
    assert "handed this event again" in words_of(operator.get(address))
    assert taker.seen == []
    assert operator.post(address, {"reason": "lock is gone"}).status_code == 302
    assert taker.seen == [row.position]
    settled = again(row)
    assert settled.state == Parked.State.REPLAYED and settled.settled_at is not None
    assert len(by(operator, told(world.kit.info.id, ParkedReplayed.name))) == 1
    assert "it was replayed before" in words_of(operator.post(address, {"reason": "again"}))
    assert taker.seen == [row.position]


def test_an_event_that_is_refused_again_stays_parked(world: World, operator: Staff, taker: Any) -> None:
    row = world.park(taker.name, position=last_position())
    taker.refuse = "still broken"
    operator.get("/admin/")
    before = counted()
    answer = operator.post(do("bus.parked", "replay", row), {"reason": "try"})
    assert answer.status_code == 409 and "still broken" in words_of(answer)
    assert again(row).state == Parked.State.PARKED
    assert counted() == before


def test_an_event_of_a_subscriber_that_is_gone_can_only_be_dropped(world: World, operator: Staff) -> None:
    row = world.park("test.gone", position=last_position())
    answer = operator.post(do("bus.parked", "replay", row), {"reason": "try"})
    assert answer.status_code == 409 and "Drop the event instead." in words_of(answer)
    address = do("bus.parked", "drop", row)
    assert "never gets this event" in words_of(operator.get(address))
    assert operator.post(address, {"reason": "the subscriber is gone"}).status_code == 302
    assert again(row).state == Parked.State.DROPPED
    [record] = [
        one for one in told(world.kit.info.id, ParkedDropped.name) if f'"parked_id":{row.pk}'.encode() in one.body
    ]
    assert b'"reason":"the subscriber is gone"' in record.body
    assert "the subscriber is gone" in words_of(operator.get(f"/admin/bus/parked/{row.pk}/history/"))


def test_several_are_settled_each_for_itself(world: World, operator: Staff, taker: Any) -> None:
    good, gone = world.park(taker.name, position=last_position()), world.park("test.gone", position=last_position())
    answer = operator.post(do("bus.parked", "replay", good, gone), {"reason": "both"})
    assert answer.status_code == 302
    words = words_of(operator.get(answer["Location"]))
    assert "Replay: 1 of 2 done." in words and "Drop the event instead." in words
    assert (again(good).state, again(gone).state) == (Parked.State.REPLAYED, Parked.State.PARKED)


# -- refusals ------------------------------------------------------------------------------------------------------


def acts(world: World) -> list[tuple[str, dict[str, Any], Callable[[], Any]]]:
    """Every verb with answers that would do it, and how to see that it was not done."""
    with no_scope(), system_scope("portal.admin"):
        key = ApiKey.objects.get(pk=world.key_id)
        member = Membership.objects.get(user=world.member)
        acting = Acting.objects.filter(tenant_id=world.kit.info.id).earliest("started_at")
    tenant = tenant_of(world)
    reason = {"reason": "because"}
    return [
        (do("tenants.tenant", "create"), {"slug": f"n{new_id().hex[-10:]}", **NEW_TENANT}, counted),
        (do("tenants.tenant", "suspend", tenant), reason, lambda: again(tenant).status),
        (do("tenants.tenant", "offboard", tenant), {**reason, "typed_name": tenant.slug}, lambda: again(tenant).status),
        (do("identity.user", "create"), {"email": "x@y.example", "password": PASSWORD}, counted),
        (
            do("identity.membership", "add"),
            {"tenant": tenant.slug, "email": world.member.email, "roles": ["owner"]},
            counted,
        ),
        (do("identity.membership", "roles", member), {"roles": ["owner"]}, lambda: again(member).roles),
        (do("identity.membership", "remove", member), {}, lambda: again(member).active),
        (do("identity.acting", "act"), {"tenant": tenant.slug, "reason": "ticket 4711", "minutes": "30"}, counted),
        (
            do("identity.acting", "act-widely"),
            {"tenant": tenant.slug, "reason": "ticket 4711", "minutes": "30"},
            counted,
        ),
        (do("identity.acting", "end", acting), {}, lambda: again(acting).ended_at),
        (do("identity.apikey", "revoke", key), {}, lambda: again(key).revoked_at),
        (do("bus.parked", "replay", world.parked), reason, lambda: again(world.parked).state),
        (do("bus.parked", "drop", world.parked), reason, lambda: again(world.parked).state),
        (do("vault.signingkey", "rotate"), {"overlap_days": "1"}, counted),
        (do("connectors.ingestjob", "cancel", world.job), {}, lambda: again(world.job).state),
    ]


MAY: dict[str, set[str]] = {
    "sre": {"bus/parked/do/replay", "bus/parked/do/drop"},
    "security": set(),
    "support": {"identity/acting/do/act/", "identity/acting/do/end/"},
}


@pytest.mark.parametrize("role", MAY)
def test_a_role_without_the_grant_is_refused_and_nothing_changes(world: World, role: str) -> None:
    somebody = staff(role)
    somebody.get("/admin/")
    for address, data, look in acts(world):
        allowed = any(part in address for part in MAY[role])
        before = look()
        assert somebody.get(address).status_code == (200 if allowed else 403), address
        if not allowed:
            assert somebody.post(address, data).status_code == 403, address
        assert look() == before, address


def test_a_second_factor_that_is_not_fresh_leads_to_the_code_page_and_nothing_changes(world: World) -> None:
    somebody = staff("operator", fresh=False)
    assert somebody.get("/admin/").status_code == 200
    without = {"bus/parked/do/replay", "identity/apikey/do/revoke", "connectors/ingestjob/do/cancel"}
    for address, data, look in acts(world):
        if any(part in address for part in without):
            continue
        before = look()
        for answer in (somebody.get(address), somebody.post(address, data)):
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/login/code/?next=%2Fadmin%2F"), address
        assert look() == before, address


def test_a_form_without_its_token_is_refused(world: World, operator: Staff) -> None:
    operator.client.handler.enforce_csrf_checks = True
    operator.get("/admin/")
    for address, data, look in acts(world):
        before = look()
        assert operator.post(address, data).status_code == 403, address
        assert look() == before, address


def test_opening_a_verb_changes_nothing(world: World, operator: Staff) -> None:
    operator.get("/admin/")
    before = counted()
    for address, _, look in acts(world):
        seen = look()
        assert operator.get(address).status_code == 200, address
        assert look() == seen
    assert counted() == before


def test_a_reason_is_needed(world: World, operator: Staff) -> None:
    for address in (do("bus.parked", "drop", world.parked), do("tenants.tenant", "suspend", world.kit.info.id)):
        for reason in ("", "   "):
            assert operator.post(address, {"reason": reason}).status_code == 422, address
    assert again(world.parked).state == Parked.State.PARKED


def test_what_cannot_be_acted_on_is_not_found(operator: Staff) -> None:
    for address in (
        "/admin/bus/parked/do/replay/", "/admin/bus/parked/do/replay/?id=999999999", "/admin/bus/parked/do/replay/?id=x",
        "/admin/bus/parked/do/explode/?id=1", "/admin/bus/parked/do/replay/?" + "&".join(f"id={n}" for n in range(101)),
        "/admin/ledger/record/do/change/?id=1",
    ):  # fmt: skip
        assert operator.get(address).status_code == 404, address
        assert operator.post(address, {"reason": "because"}).status_code == 404, address


def test_jobs_are_read_with_their_errors(world: World, operator: Staff) -> None:
    page = words_of(operator.get(f"/admin/connectors/ingestjob/{world.job.pk}/change/"))
    assert "EMPTY_KEY" in page and "the key is empty" in page
    assert IngestJob.__name__ not in page
