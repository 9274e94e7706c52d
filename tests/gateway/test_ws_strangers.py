"""Who has not said who they are takes a place of few, and gives it back once; operations whose id comes again keep apart."""

import asyncio
import json
import resource
from typing import Any

import pytest

from apps.core.context import Actor, ActorKind, Context
from apps.gateway import pipeline
from apps.gateway.asgi import engine
from apps.gateway.pipeline import Passage
from apps.gateway.realtime.hub import hub
from apps.gateway.ws_app import Connection, GraphQLSocket
from apps.gateway.ws_protocol import SUBPROTOCOL, SocketLimits
from apps.gateway.ws_strangers import Strangers
from apps.gateway.ws_subscription import Subscription
from tests.gateway.test_batches import Wire, batch_of, connected, texts

CALLER = Context(actor=Actor(ActorKind.API_KEY, "1"), roles=frozenset({"reader"}))


def test_places_are_bounded_by_address_and_altogether() -> None:
    strangers = Strangers(most=4, most_of_one=2)
    one, two = strangers.take("a"), strangers.take("a")
    assert one and two and strangers.take("a") is None
    assert strangers.take("b") and strangers.take("b")
    assert strangers.take("c") is None, "all places are taken"
    one.leave()
    one.leave()
    assert strangers.count == 3 and strangers.take("c") and strangers.take("a") is None


def test_all_of_them_leave_half_of_the_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
        strangers = Strangers()
        assert (strangers.most, strangers.most_of_one) == (512, 384)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Client:
    """One client of the application, without a server."""

    def __init__(self, app: GraphQLSocket, *, plain: bool = False) -> None:
        self.sent: list[dict[str, Any]] = []
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        extensions = {} if plain else {"websocket.http.response": {}}
        scope = {"headers": [], "client": ("10.0.0.1", 1), "subprotocols": [SUBPROTOCOL], "extensions": extensions}
        self.task = asyncio.create_task(app(scope, self.inbox.get, self.send))

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def answered(self, count: int = 1) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while len(self.sent) < count:
                await asyncio.sleep(0.001)
        return self.sent[count - 1]

    async def leave(self) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task


async def test_who_introduces_themselves_or_goes_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    callers = iter([CALLER, Context()])
    monkeypatch.setattr(pipeline, "walk", lambda passage, stages: Passage(passage.arrival, next(callers)))
    app = GraphQLSocket(engine)
    app.strangers = Strangers(most=2, most_of_one=1)
    first = Client(app)
    assert (await first.answered())["type"] == "websocket.accept"
    refused, plain = Client(app), Client(app, plain=True)
    assert (await refused.answered())["status"] == 429
    assert dict(refused.sent[0]["headers"])[b"retry-after"] == b"5"
    assert (await plain.answered()) == {"type": "websocket.close", "code": 1013}
    await asyncio.gather(refused.task, plain.task)
    first.inbox.put_nowait({"type": "websocket.receive", "text": '{"type":"connection_init"}'})
    assert "connection_ack" in (await first.answered(2))["text"]
    assert app.strangers.count == 0
    nobody = Client(app)
    nobody.inbox.put_nowait({"type": "websocket.receive", "text": '{"type":"connection_init"}'})
    assert "connection_ack" in (await nobody.answered(2))["text"]
    assert app.strangers.count == 1, "who is nobody stays a stranger"
    await nobody.leave()
    await first.leave()
    assert app.strangers.count == 0


async def test_what_ran_under_an_id_says_nothing_under_the_next_ones_name() -> None:
    """`complete` and `subscribe` with the same id in one segment: the old one has not ended yet when the new one begins."""
    wire = Wire()
    connection, _ = connected(wire)

    async def forever() -> None:
        await asyncio.Event().wait()

    connection.tasks["1"] = asyncio.create_task(forever())
    old = Subscription(connection, "1", "changes")
    old.push(batch_of(1, 1))
    assert len(texts(wire.written)) == 1
    connection.machine.anonymous = False
    for message in ({"type": "complete"}, {"type": "subscribe", "payload": {"query": "{ __typename }"}}):
        connection.perform(connection.machine.received(json.dumps({"id": "1", **message}), 0.0))
    assert "1" in connection.machine.operations
    old.push(batch_of(2, 2))
    old.tell("{}")
    assert len(texts(wire.written)) == 1
    new = Subscription(connection, "1", "changes")
    new.push(batch_of(3, 3))
    assert len(texts(wire.written)) == 2
    connection.perform(connection.machine.lost())
    await asyncio.gather(*connection.tasks.values(), return_exceptions=True)


async def test_beginning_and_completing_without_end_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "admit", lambda arrival: Passage(arrival, CALLER))
    scope = {"subprotocols": [SUBPROTOCOL], "extensions": {"ig.frames": Wire()}}
    connection = Connection(engine(), SocketLimits(messages_per_s=1e9, message_burst=10**9), scope, {})
    connection.ctx = CALLER
    machine = connection.machine
    machine.received('{"type":"connection_init"}', 0.0)
    machine.acknowledge(anonymous=False)
    payload = {"query": "subscription { nothing }"}
    for number in range(2_000):
        id_ = f"{number % 7}"
        begin = json.dumps({"id": id_, "type": "subscribe", "payload": payload})
        connection.perform(machine.received(begin, 0.0))
        if number % 5 == 0:
            await asyncio.sleep(0)
        if number % 50 == 0:
            await asyncio.sleep(0.005)  # some get so far as to fail: `error` and `complete` cross
        connection.perform(machine.received(json.dumps({"id": id_, "type": "complete"}), 0.0))
    async with asyncio.timeout(10):
        while connection.tasks or len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)
    assert not machine.operations and not connection._chores and not connection.outbox.closing
    assert list(hub().followed()) == []
