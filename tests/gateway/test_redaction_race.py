"""What may be seen changes while updates stream: whatever the moment, nothing committed after the change is in clear.

As in `test_revocation_race`, everything but the network is real. The connections stay open; what they are told from the
change on is masked or withheld.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from apps.core.scope import no_scope, tenant_scope
from apps.gateway.asgi import engine
from apps.gateway.ws_app import Connection
from apps.gateway.ws_protocol import SUBPROTOCOL, Phase, SocketLimits
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.policy import packs, rulings
from tests.conftest import TenantKit, make_tenant
from tests.gateway.streams import Stream, streaming
from tests.gateway.test_batches import Wire, texts

ROUNDS = 250
CHANGES = "subscription ($t: ID!) { changes(tenantId: $t) { op entity { externalId name properties } } }"


@pytest.fixture
def shipped() -> Iterator[None]:
    yield
    rulings.use(packs.shipped())


class Follower:
    """A reader's connection, and what it was told of each entity."""

    def __init__(self, kit: TenantKit, token: str) -> None:
        self.wire = Wire()
        scope = {"extensions": {"ig.frames": self.wire}, "headers": [], "client": ("127.0.0.1", 1)}
        self.connection = Connection(engine(), SocketLimits(), {**scope, "subprotocols": [SUBPROTOCOL]}, {})
        self.kit, self.token, self.told = kit, token, []

    async def begin(self) -> None:
        await self._say({"type": "connection_init", "payload": {"authorization": f"Bearer {self.token}"}})
        await until(lambda: self.connection.machine.phase is Phase.READY)
        payload = {"query": CHANGES, "variables": {"t": self.kit.info.slug}}
        await self._say({"id": "1", "type": "subscribe", "payload": payload})
        await until(lambda: bool(self.entities()))

    async def _say(self, message: dict[str, Any]) -> None:
        effects = self.connection.machine.received(json.dumps(message), time.monotonic())
        self.connection.perform(effects)

    def entities(self) -> list[dict[str, Any]]:
        """Return every entity that was told of so far, as it was told."""
        written, self.wire.written = self.wire.written, b""
        for text in texts(written):
            message = json.loads(text)
            if message["type"] == "next":
                self.told.append(message["payload"]["data"]["changes"]["entity"])
        return self.told

    async def end(self) -> None:
        self.connection.perform(self.connection.machine.lost())
        await asyncio.gather(*self.connection.tasks.values(), *self.connection._chores, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def in_clear(entity: dict[str, Any]) -> int:
    """Return the number of the write whose name is shown, 0 when none is."""
    return int(entity["name"]) if str(entity["name"]).isdigit() else 0


async def away(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do blocking work in a thread, whose connections end with it."""

    def run() -> Any:
        try:
            return work(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


@pytest.mark.parametrize("data_class", ["personal", "sensitive"])
def test_a_data_class_that_is_raised_hides_what_comes_after(data_class: str) -> None:
    """The writer never names a class: what it writes later has the class that stands."""
    kit = make_tenant()
    token = kit.key("reader")
    chance = random.Random(data_class)

    def change(stream: Stream, which: str) -> int:
        with no_scope(), tenant_scope(kit.info.id):
            graph.upsert_entities(kit.ctx, inputs=[EntityInput("A", which, data_class=data_class)])
        return stream.begun

    async def race(stream: Stream) -> int:
        follower, hidden = Follower(kit, token), {}
        await follower.begin()
        for _ in range(ROUNDS // 2):
            which = chance.choice([name for name in stream.names if name not in hidden])
            await asyncio.sleep(chance.random() * 0.02)
            hidden[which] = await away(change, stream, which)
            stream.names = [*stream.names, f"{which}+"]  # and those that are hidden are written on
        newest = stream.names[-1]
        await until(lambda: any(each["externalId"] == newest for each in follower.entities()))
        last_of = max(hidden.values())
        await until(lambda: stream.begun > last_of + 2 * len(stream.names))
        told = follower.entities()
        await follower.end()
        for each in told:
            assert in_clear(each) <= hidden.get(each["externalId"], 10**9), each
        return sum(1 for each in told if in_clear(each))

    with streaming(kit) as stream:
        shown = asyncio.run(race(stream))
    assert shown > ROUNDS // 5  # updates did stream


@pytest.mark.usefixtures("shipped")
def test_a_pack_that_shows_less_hides_what_comes_after() -> None:
    kit = make_tenant()
    token = kit.key("reader")
    chance = random.Random(1)
    shipped, path = packs.shipped(), "ig/access/access.rego"
    clear = "	some class in data.ig.grants.scopes[scope].clear\n"
    assert clear in shipped.modules[path]
    narrow = shipped.without(path, shipped.modules[path].replace(clear, clear + "	false\n"))

    def change(stream: Stream, pack: packs.Pack) -> int:
        rulings.use(pack)
        return stream.begun

    async def race(stream: Stream) -> int:
        follower, shown = Follower(kit, token), 0
        await follower.begin()
        for _ in range(ROUNDS // 5):
            await until(lambda: any(map(in_clear, follower.entities())))
            await asyncio.sleep(chance.random() * 0.02)
            last = await away(change, stream, narrow)
            await until(lambda last=last: stream.begun > last + 3)
            await asyncio.sleep(0.02)
            told = follower.entities()
            assert max(map(in_clear, told)) <= last
            shown += len(told)
            follower.told.clear()
            await away(change, stream, shipped)
        await follower.end()
        return shown

    with streaming(kit) as stream:
        shown = asyncio.run(race(stream))
    assert shown > ROUNDS // 5
