"""Access that ends while updates stream: whatever the moment, no update that was committed after the change is sent.

Everything but the network is real: connections with their machine and outbox, the hub, Redis, PostgreSQL, sequencer and
publisher. A writer commits without a pause; each round a change ends or alters one caller's access at a random moment.
What was begun after that commit had returned must not be among what the caller's connection was sent.
"""

import asyncio
import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from apps.bus.management.commands.relay import system_conninfo
from apps.bus.relay import Delivery
from apps.core.context import SessionFacts
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.core.sockets import SUBSCRIBERS
from apps.gateway.asgi import engine
from apps.gateway.ws_app import Connection
from apps.gateway.ws_protocol import SUBPROTOCOL, Phase, SocketLimits
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.ledger.sequencer import Sequencer
from apps.policy import services as policy
from tests.conftest import TenantKit, make_tenant
from tests.gateway.test_batches import Wire, texts

ROUNDS = 1_000
LANES = 4  # rounds that run side by side, each with a caller of its own
CHANGES = "subscription ($t: ID!) { changes(tenantId: $t) { entity { name } } }"


@dataclass
class Stream:
    """A tenant whose entities change without a pause. Write `begun` was begun last; updates carry their number."""

    kit: TenantKit
    begun: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        try:
            with no_scope(), tenant_scope(self.kit.info.id):
                while not self.over.is_set():
                    self.begun += 1
                    graph.upsert_entities(
                        self.kit.ctx, inputs=[EntityInput("A", f"{self.begun % 10}", name=f"{self.begun}")]
                    )
        finally:
            connections.close_all()

    def relay(self) -> None:
        sequencer = Sequencer(system_conninfo())
        delivery = Delivery(SUBSCRIBERS.get("gateway.live"))
        try:
            while not self.over.is_set():
                if sequencer.acquire():
                    sequencer.tick()
                if not delivery.step():
                    time.sleep(0.002)
        finally:
            sequencer.release()
            connections.close_all()


@contextmanager
def streaming(kit: TenantKit) -> Iterator[Stream]:
    stream = Stream(kit)
    threads = [threading.Thread(target=stream.relay), threading.Thread(target=stream.write)]
    for thread in threads:
        thread.start()
    try:
        yield stream
    finally:
        stream.over.set()
        for thread in threads:
            thread.join()


@dataclass
class Caller:
    """Who opens a connection: how, and what ends or alters it (run in a thread, committed when it returns)."""

    payload: dict[str, str]
    cookie: str
    change: Callable[[], object]
    country: str = ""


def sign_in(user: object) -> str:
    client = Client()
    with no_scope(), system_scope("identity.authenticate"):
        client.force_login(user, backend="apps.identity.backends.AccountBackend")
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


def key_revoked(kit: TenantKit) -> Iterator[Caller]:
    while True:
        token = kit.key("reader")
        with no_scope(), tenant_scope(kit.info.id):
            (key,) = [each for each in identity_selectors.api_keys(kit.ctx) if each.prefix in token]

        def change(key_id: object = key.id) -> None:
            identity.revoke_api_key(kit.ctx, key_id=key_id)

        yield Caller({"authorization": f"Bearer {token}"}, "", change)


def member_removed(kit: TenantKit) -> Iterator[Caller]:
    user = kit.member("analyst")
    cookie = sign_in(user)
    while True:
        yield Caller({}, cookie, lambda: identity.remove_member(kit.ctx, user_id=user.id))
        with no_scope(), tenant_scope(kit.info.id):
            identity.add_member(kit.ctx, user_id=user.id, roles=frozenset({"analyst"}))


def role_lowered(kit: TenantKit) -> Iterator[Caller]:
    user = kit.member("admin")
    cookie = sign_in(user)
    for roles in itertools.cycle(["reader", "admin"]):
        yield Caller(
            {},
            cookie,
            lambda roles=roles: identity.change_roles(kit.ctx, user_id=user.id, roles=frozenset({roles})),
        )


def signed_out(kit: TenantKit) -> Iterator[Caller]:
    """The change stands in the platform's ledger, not in the tenant's."""
    user = kit.member("analyst")
    while True:
        yield Caller({}, sign_in(user), lambda: identity.end_other_sessions(kit.ctx, user=user, session_key="none"))


def signed_out_elsewhere(kit: TenantKit) -> Iterator[Caller]:
    """The change is made in another tenant that the person belongs to."""
    user, other = kit.member("analyst"), make_tenant()
    with no_scope(), tenant_scope(other.info.id):
        identity.add_member(other.ctx, user_id=user.id, roles=frozenset({"reader"}))

    def change() -> None:
        with no_scope(), tenant_scope(other.info.id):
            identity.end_member_sessions(other.ctx, user_id=user.id)

    while True:
        yield Caller({"tenant": kit.info.slug}, sign_in(user), change)


def fence_drawn(kit: TenantKit) -> Iterator[Caller]:
    cookie = sign_in(kit.member("analyst"))
    staff = kit.ctx.but(session=SessionFacts(country="DE"))
    for version in itertools.count(step=2):

        def change(countries: frozenset[str] = frozenset({"DE"}), version: int = version) -> None:
            policy.set_fence(staff, countries=countries, expected_version=version, reason="a race")

        yield Caller({}, cookie, change, country="FR")
        with no_scope(), tenant_scope(kit.info.id):
            change(frozenset(), version + 1)


@dataclass
class Lane:
    """Runs rounds one after another; all connections are of one event loop."""

    stream: Stream
    callers: Iterator[Caller]
    chance: random.Random
    heard: int = 0

    async def round(self) -> None:
        kit = self.stream.kit
        caller = await asyncio.to_thread(self._next)
        headers = {"cookie": f"{settings.SESSION_COOKIE_NAME}={caller.cookie}"} if caller.cookie else {}
        wire = Wire()
        scope = {"extensions": {"ig.frames": wire}, "headers": [], "client": ("127.0.0.1", 1)}
        connection = Connection(engine(), SocketLimits(), {**scope, "subprotocols": [SUBPROTOCOL]}, headers)
        connection.arrival = replace(connection.arrival, around=SessionFacts(country=caller.country))
        try:
            self._say(connection, {"type": "connection_init", "payload": caller.payload})
            await self._until(lambda: connection.machine.phase is Phase.READY or connection.outbox.closing)
            assert connection.machine.phase is Phase.READY, connection.outbox.code
            variables = {"t": kit.info.slug}
            self._say(
                connection, {"id": "1", "type": "subscribe", "payload": {"query": CHANGES, "variables": variables}}
            )
            if self.chance.random() < 0.7:  # else: while it joins
                await self._until(lambda: b'"next"' in wire.written or connection.outbox.closing)
            await asyncio.sleep(self.chance.random() * 0.02)
            last = await asyncio.to_thread(self._change, caller)
            await self._until(lambda: connection.outbox.closing)
            await self._until(lambda: self.stream.begun > last + 2)
            numbers = self._numbers(wire)
            assert all(number <= last for number in numbers), (numbers[-5:], last)
            self.heard += len(numbers)
        finally:
            connection.perform(connection.machine.lost())
            await asyncio.gather(*connection._tasks.values(), *connection._chores, return_exceptions=True)

    def _next(self) -> Caller:
        try:
            return next(self.callers)
        finally:
            connections.close_all()  # the thread ends with its loop, and the pool must not miss its connection

    def _change(self, caller: Caller) -> int:
        """Make the change; return the last write that had been begun when its commit returned."""
        try:
            with no_scope(), tenant_scope(self.stream.kit.info.id):
                caller.change()
            return self.stream.begun
        finally:
            connections.close_all()

    @staticmethod
    def _say(connection: Connection, message: dict[str, object]) -> None:
        connection.perform(connection.machine.received(json.dumps(message), time.monotonic()))

    @staticmethod
    def _numbers(wire: Wire) -> list[int]:
        messages = [json.loads(text) for text in texts(wire.written)]
        assert {each["type"] for each in messages} <= {"connection_ack", "next"}, messages[-1]
        return [
            int(each["payload"]["data"]["changes"]["entity"]["name"]) for each in messages if each["type"] == "next"
        ]

    @staticmethod
    async def _until(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.001)


KINDS = [key_revoked, member_removed, role_lowered, signed_out, signed_out_elsewhere, fence_drawn]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_was_committed_after_the_change_is_sent(kind: Callable[[TenantKit], Iterator[Caller]]) -> None:
    kit = make_tenant()
    lanes = 1 if kind is fence_drawn else LANES  # a fence is one for the whole tenant
    rounds = -(-ROUNDS // len(KINDS) // lanes)

    async def race(stream: Stream) -> int:
        async def run(lane: Lane) -> int:
            for _ in range(rounds):
                await lane.round()
            return lane.heard

        running = [run(Lane(stream, kind(kit), random.Random(f"{kind.__name__} {n}"))) for n in range(lanes)]
        return sum(await asyncio.gather(*running))

    with streaming(kit) as stream:
        heard = asyncio.run(race(stream))
    assert heard > rounds * lanes  # updates did stream
