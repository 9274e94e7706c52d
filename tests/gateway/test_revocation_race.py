"""Access that ends while updates stream: whatever the moment, no update that was committed after the change is sent.

Everything but the network is real: connections with their machine and outbox, the hub, Redis, PostgreSQL, sequencer and
publisher. A writer commits without a pause; each round a change ends or alters one caller's access at a random moment.
What was begun after that commit had returned must not be among what the caller's connection was sent.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from django.conf import settings
from django.db import connections

from apps.core.context import SessionFacts
from apps.core.scope import no_scope, tenant_scope
from apps.gateway.asgi import engine
from apps.gateway.ws_app import Connection
from apps.gateway.ws_protocol import SUBPROTOCOL, Phase, SocketLimits
from apps.identity import jwks
from tests.conftest import TenantKit, make_tenant
from tests.gateway import callers
from tests.gateway.callers import Caller
from tests.gateway.streams import Stream, streaming
from tests.gateway.test_batches import Wire, texts

ROUNDS = 1_200
LANES = 4  # rounds that run side by side, each with a caller of its own
CHANGES = "subscription ($t: ID!) { changes(tenantId: $t) { entity { name } } }"


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
            await asyncio.gather(*connection.tasks.values(), *connection._chores, return_exceptions=True)

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


KINDS = [
    *(callers.key_revoked, callers.key_rotated, callers.token_revoked, callers.issuer_distrusted),
    *(callers.member_removed, callers.role_lowered, callers.staff_sent_away),
    *(callers.signed_out, callers.signed_out_elsewhere, callers.account_disabled),
    *(callers.fence_drawn, callers.tenant_suspended),
]
OF_THE_TENANT = (callers.fence_drawn, callers.tenant_suspended)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_was_committed_after_the_change_is_sent(
    kind: Callable[[TenantKit], Iterator[Caller]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = make_tenant()
    monkeypatch.setattr(jwks, "allowed", lambda address: True)  # providers of tests are on loopback
    lanes = 1 if kind in OF_THE_TENANT else LANES
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
