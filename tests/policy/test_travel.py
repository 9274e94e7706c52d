"""Nobody is in two places at once; what looks like it asks for the second factor again, and is told once."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django_redis import get_redis_connection

from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.errors import StepUpRequired
from apps.core.ids import new_id
from apps.core.scope import no_scope, tenant_scope
from apps.ledger import selectors as ledger
from apps.policy import services, travel
from apps.policy.models import SignalEntry
from apps.policy.services import travelling
from tests.conftest import TenantKit, make_tenant


@pytest.mark.parametrize(
    ("one", "other", "minutes", "expected"),
    [
        ("DE", "DE", 0, True),
        ("DE", "FR", 0, True),  # a phone at the border
        ("RU", "CN", 0, True),  # large countries that touch
        ("DE", "US", 60, False),
        ("US", "DE", 8 * 60, True),
        ("AU", "GB", 4 * 60, False),
        ("GB", "AU", 24 * 60, True),
        ("DE", "US", -5, False),  # a clock that runs behind is no excuse
        ("DE", "AQ", 0, True),  # no city there
        ("", "DE", 0, True),
        ("XX", "DE", 0, True),
    ],
)
def test_travellers_by_air_are_the_fastest(one: str, other: str, minutes: int, expected: bool) -> None:
    assert travel.possible(one, other, minutes * 60) is expected


def test_distances_are_those_of_the_nearest_cities() -> None:
    assert travel.distance_km("DE", "FR") == pytest.approx(0, abs=30)
    assert travel.distance_km("GB", "IE") == pytest.approx(25, abs=40)
    assert travel.distance_km("AU", "NZ") == pytest.approx(1_650, rel=0.1)
    for pair in (("US", "JP"), ("BR", "PT"), ("ZA", "IN")):
        assert travel.distance_km(*pair) == pytest.approx(travel.distance_km(*reversed(pair)))
    assert travel.distance_km("DE", "ZZ") is None


PERSON = str(new_id())


def session(
    kit: TenantKit, country: str, at: datetime, confirmed: datetime | None = None, person: str = PERSON
) -> Context:
    return kit.ctx.but(
        actor=Actor(ActorKind.USER, person),
        session=SessionFacts(
            id="abcd", authenticated_at=at - timedelta(hours=5), second_factor_at=confirmed, country=country
        ),
        clock=lambda: at,
    )


@pytest.fixture(autouse=True)
def forgetful() -> None:
    travelling._written.clear()


def passes(ctx: Context) -> None:
    with no_scope():
        services.assess_session(ctx)


def signals(kit: TenantKit) -> list[str]:
    with no_scope(), tenant_scope(kit.info.id):
        return list(SignalEntry.objects.values_list("subject", flat=True))


def test_two_places_at_once_ask_for_the_second_factor(tenant: TenantKit, settle: Callable[[], None]) -> None:
    now = utc_now()
    factor = now - timedelta(minutes=1)
    passes(session(tenant, "DE", now, factor))
    passes(session(tenant, "FR", now + timedelta(minutes=1), factor))
    assert signals(tenant) == []
    with pytest.raises(StepUpRequired) as asked:
        passes(session(tenant, "US", now + timedelta(minutes=2), factor))
    assert asked.value.details["source"] == "travel"
    with pytest.raises(StepUpRequired):  # wherever it is
        passes(session(tenant, "FR", now + timedelta(minutes=2), factor))
    assert signals(tenant) == [f"user:{PERSON}"]
    confirmed = now + timedelta(minutes=3)
    passes(session(tenant, "US", now + timedelta(minutes=4), confirmed))
    passes(session(tenant, "FR", now + timedelta(minutes=5), confirmed))
    assert signals(tenant) == [f"user:{PERSON}"]
    settle()
    with no_scope(), tenant_scope(tenant.info.id):
        told = [
            json.loads(row.body)["data"]
            for row in ledger.records(tenant.info.id)
            if row.type == "policy.travel.impossible"
        ]
    assert [(one["before"], one["after"]) for one in told] == [("FR", "US")]
    assert told[0]["within_s"] == pytest.approx(60, abs=1)  # places are kept to the second
    assert told[0]["apart_km"] > 4_000


def test_another_process_sees_it_too(tenant: TenantKit) -> None:
    now = utc_now()
    person = str(new_id())
    passes(session(tenant, "DE", now, now, person))
    travelling._written.clear()
    with pytest.raises(StepUpRequired):
        passes(session(tenant, "AU", now + timedelta(hours=3), now, person))


def test_time_enough_or_no_place_is_no_travel(tenant: TenantKit) -> None:
    now = utc_now()
    person = str(new_id())
    passes(session(tenant, "DE", now, now, person))
    passes(session(tenant, "", now, now, person))
    passes(session(tenant, "US", now + timedelta(hours=9), now + timedelta(hours=9), person))
    assert signals(tenant) == []


def test_places_are_compared_within_one_tenant_and_caller(tenant: TenantKit) -> None:
    with no_scope():
        other = make_tenant()
    now = utc_now()
    person = str(new_id())
    passes(session(tenant, "DE", now, now, person))
    passes(session(other, "US", now, now, person))
    passes(session(tenant, "US", now, now, str(new_id())))
    assert signals(tenant) == signals(other) == []


def found(kit: TenantKit) -> list[tuple[str, str]]:
    with no_scope(), tenant_scope(kit.info.id):
        return list(SignalEntry.objects.values_list("kind", "subject"))


@pytest.mark.parametrize("kind", [ActorKind.API_KEY, ActorKind.SERVICE])
def test_the_holder_of_a_token_goes_on_and_is_told_of(
    tenant: TenantKit, settle: Callable[[], None], kind: ActorKind
) -> None:
    now = utc_now()
    holder = str(new_id())

    def runs_in(country: str, minutes: int) -> Context:
        person = session(tenant, country, now + timedelta(minutes=minutes), None, holder)
        return person.but(actor=Actor(kind, holder))

    for minutes, country in enumerate(("DE", "US", "DE", "US")):
        passes(runs_in(country, minutes))
    assert found(tenant) == [("place", runs_in("DE", 0).actor.ref)]
    settle()
    with no_scope(), tenant_scope(tenant.info.id):
        told = [row.type for row in ledger.records(tenant.info.id)]
    assert told.count("policy.travel.impossible") == 1


def test_who_dies_before_the_place_is_written_finds_it_again_and_records_it_once(
    tenant: TenantKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    person = str(new_id())
    passes(session(tenant, "DE", now, now, person))

    class Dead(BaseException):
        pass

    real = get_redis_connection("default")

    class Dying:
        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def set(self, *args: object, **options: object) -> None:
            raise Dead

    with monkeypatch.context() as patched:
        patched.setattr(travelling, "get_redis_connection", lambda name: Dying())
        for _ in range(2):
            with pytest.raises(Dead):
                passes(session(tenant, "US", now + timedelta(minutes=1), now, person))
    assert found(tenant) == [("factor", f"user:{person}")]
    with pytest.raises(StepUpRequired):
        passes(session(tenant, "US", now + timedelta(minutes=2), now, person))
    assert found(tenant) == [("factor", f"user:{person}")]


def test_without_redis_nobody_is_stopped(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    person = str(new_id())
    passes(session(tenant, "DE", now, now, person))

    def away(name: str) -> None:
        raise ConnectionError(name)

    monkeypatch.setattr(travelling, "get_redis_connection", away)
    passes(session(tenant, "US", now, now, person))
    monkeypatch.undo()
    with pytest.raises(StepUpRequired):
        passes(session(tenant, "US", now, now, person))


def test_what_stands_in_redis_may_be_anything(tenant: TenantKit) -> None:
    person = str(new_id())
    key = f"ig:t:{tenant.info.id}:user:{person}:place"
    now = utc_now()
    for bad in (b"DE", b"DE yesterday", b"", b"\xff\xfe", b"DE -5", b"DE 99999999999999999"):
        get_redis_connection("default").set(key, bad)
        travelling._written.clear()
        passes(session(tenant, "US", now, now, person))
    assert signals(tenant) == []
