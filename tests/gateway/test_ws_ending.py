"""Access that ends by time alone: nothing is sent from that moment on, whatever the clocks do."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.clock import utc_now
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.scope import no_scope, system_scope
from apps.gateway import pipeline, ws_ending, ws_guard
from apps.gateway.pipeline import Arrival, Passage
from apps.gateway.ws_ending import Ending, ending_of
from apps.gateway.ws_protocol import CloseCode
from apps.identity import jwks
from apps.identity import services as identity
from apps.identity.models import Session
from apps.identity.tokens import SKEW_S
from apps.identity.types import STEP_UP_FRESHNESS
from tests.admin.staff import session_of, staff
from tests.conftest import TenantKit
from tests.gateway.test_batches import Wire, batch_of, connected, texts
from tests.identity.provider import Provider, running


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setattr(jwks, "allowed", lambda address: True)
    with running() as found:
        yield found


def ending(**arrival: Any) -> Ending | None:
    with no_scope():
        return ending_of(pipeline.walk(Passage(Arrival(**arrival), Context()), pipeline.ON_CONNECT).ctx)


def test_a_key_ends_when_it_expires(tenant: TenantKit) -> None:
    at = utc_now() + timedelta(hours=1)
    token = identity.create_api_key(tenant.ctx, name="short", scope="reader", expires_at=at).token
    found = ending(authorization=f"Bearer {token}")
    assert found is not None and (found.at, found.code) == (at, CloseCode.UNAUTHORIZED)
    assert 3_590 < found.left_s <= 3_600 and not found.has_come()
    assert ending(authorization=f"Bearer {tenant.key('reader')}") is None


def test_a_token_ends_when_it_says(tenant: TenantKit, provider: Provider) -> None:
    identity.trust_issuer(
        tenant.ctx, name="Idp", issuer=provider.issuer, jwks_url=provider.url, role_map={"readers": "reader"}
    )
    claims = provider.claims(identity.audience_of(tenant.info.slug))
    for _ in ("verified", "seen before"):
        found = ending(authorization=f"Bearer {provider.sign(claims)}")
        assert found is not None and found.code is CloseCode.UNAUTHORIZED
        assert found.at == datetime.fromtimestamp(claims["exp"] + SKEW_S, UTC)


def test_a_session_ends_with_its_row(tenant: TenantKit) -> None:
    client = session_of(tenant.member("analyst"), second_factor=False)
    key = client.cookies["ig_session"].value
    at = utc_now() + timedelta(minutes=5)
    with no_scope(), system_scope("identity.authenticate"):
        Session.objects.filter(session_key=key).update(expire_date=at)
    found = ending(session_key=key)
    assert found is not None and (found.at, found.code) == (at, CloseCode.UNAUTHORIZED)


def test_staff_are_admitted_until_their_time_is_over(tenant: TenantKit) -> None:
    helper = staff("support")
    now = utc_now()
    ctx = Context(
        actor=Actor(ActorKind.USER, str(helper.user.pk)),
        platform_roles=frozenset({"support"}),
        session=SessionFacts(authenticated_at=now, second_factor_at=now),
    )
    with no_scope():
        acting = identity.start_acting(ctx, tenant=tenant.info, reason="ticket 4711, as asked", minutes=30)
    found = ending(session_key=helper.client.cookies["ig_session"].value, tenant=tenant.info.slug)
    assert found is not None and (found.at, found.code) == (acting.ends_at, CloseCode.FORBIDDEN)


def test_a_session_at_risk_is_sound_while_its_second_factor_is_fresh(tenant: TenantKit) -> None:
    user = tenant.member("analyst")
    client = session_of(user, second_factor=False)
    session = client.session
    given = utc_now() - timedelta(minutes=1)
    session["ig_second_factor_at"] = given.isoformat()
    with no_scope(), system_scope("identity.authenticate"):
        session.save()
    key = client.cookies["ig_session"].value
    for risk, expected in (("medium", given + STEP_UP_FRESHNESS), ("low", None)):
        found = ending(session_key=key, around=SessionFacts(risk=risk))
        assert found is not None
        if expected is None:
            assert found.code is CloseCode.UNAUTHORIZED, "the session's own end"
        else:
            assert (found.at, found.code) == (expected, CloseCode.FORBIDDEN)


class Clocks:
    """Both clocks of the machine, in a test's hand."""

    def __init__(self) -> None:
        self.steady, self.wall = 100.0, 1_000_000.0

    def monotonic(self) -> float:
        return self.steady

    def time(self) -> float:
        return self.wall

    def end_in(self, seconds: float) -> Ending:
        now = datetime.fromtimestamp(self.wall, UTC)
        return Ending(now + timedelta(seconds=seconds), CloseCode.UNAUTHORIZED, now)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    found = Clocks()
    monkeypatch.setattr(ws_ending, "time", found)
    return found


@pytest.mark.parametrize(("steady_s", "wall_s"), [(2.0, 2.0), (2.0, -3_600.0), (0.5, 3_600.0), (2.0, 0.0)])
async def test_nothing_is_sent_from_the_end_on(clocks: Clocks, steady_s: float, wall_s: float) -> None:
    """The clock goes on, is set back, is set forward (or the machine slept), stands still."""
    for way in ("push", "send", "tell"):
        wire = Wire()
        connection, subscription = connected(wire)
        connection.ending = clocks.end_in(2.0)
        subscription.push(batch_of(1, 1))
        assert len(texts(wire.written)) == 1
        before = (clocks.steady, clocks.wall)
        clocks.steady, clocks.wall = clocks.steady + steady_s, clocks.wall + wall_s
        if way == "push":
            subscription.push(batch_of(2, 2))
        elif way == "send":
            connection.send('{"type":"pong"}')
        else:
            subscription.tell("{}")
        assert len(texts(wire.written)) == 1
        assert connection.outbox.take() == (4401, "Access has ended")
        assert not connection.machine.operations
        clocks.steady, clocks.wall = before


@pytest.mark.parametrize("frames", [True, False])
async def test_what_waits_for_a_slow_client_is_not_sent_either(clocks: Clocks, frames: bool) -> None:
    wire = Wire()
    connection, subscription = connected(wire if frames else None)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        await asyncio.sleep(0.01)

    wire.paused = True
    connection._send = send
    connection.ending = clocks.end_in(2.0)
    for n in range(1, 4):
        subscription.push(batch_of(n, n))
    await asyncio.sleep(0.005)  # the writer has the first in hand
    clocks.steady += 2.0
    wire.paused = False
    async with asyncio.timeout(5):
        while not sent or sent[-1]["type"] != "websocket.close":
            await asyncio.sleep(0.001)
    assert wire.written == b""
    assert [message["type"] for message in sent] == ["websocket.close"] if frames else len(sent) == 2
    assert sent[-1]["code"] == 4401


async def test_last_words_are_not_said_after_the_end(clocks: Clocks) -> None:
    """A client that did not read is left what was to be said before its close, unless it may not know it any more."""
    for left_s, told in ((1.0, 1), (-1.0, 0)):
        wire, sent = Wire(), []
        connection, _ = connected(wire)

        async def send(message: dict[str, Any], sent: list[Any] = sent) -> None:
            sent.append(message["code"])

        connection.outbox.put('{"id":"1","type":"next","payload":{}}')
        connection.outbox.close(1013, "too slow")
        connection.ending = clocks.end_in(left_s)
        await connection.part(send)
        assert (len(texts(wire.written)), sent) == (told, [1013])


async def test_the_same_end_is_not_put_off_and_another_is_gone_by(clocks: Clocks) -> None:
    connection, _ = connected(Wire())
    first = connection.ending = clocks.end_in(60.0)
    clocks.steady += 30.0
    clocks.wall -= 3_600.0  # set back: seen from there the same moment is further away
    connection._keep(Ending(first.at, first.code, datetime.fromtimestamp(clocks.wall, UTC)))
    assert connection.ending is first and first.left_s == 30.0
    later = clocks.end_in(600.0)
    connection._keep(later)
    assert connection.ending is later
    connection._keep(None)
    assert connection.ending is None


async def test_an_end_is_noticed_where_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, _ = connected(Wire())
    now = utc_now()
    connection._keep(Ending(now + timedelta(seconds=0.2), CloseCode.FORBIDDEN, now))
    began = time.monotonic()
    async with asyncio.timeout(5):
        while not connection.outbox.closing:
            await asyncio.sleep(0.01)
    assert time.monotonic() - began >= 0.19
    assert connection.outbox.take() == (4403, "Access has ended")
    far, _ = connected(Wire())
    far._keep(Ending(now + timedelta(seconds=ws_guard.SOON_S * 2), CloseCode.FORBIDDEN, now))
    assert far._end_alarm is None, "no timer is kept for hours"
