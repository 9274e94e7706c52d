"""Windows of updates: the frames are the texts, nothing overtakes, and a server without the extension sends the same."""

import asyncio
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from apps.gateway import ws_line, ws_outbox
from apps.gateway.asgi import engine
from apps.gateway.realtime import batches
from apps.gateway.realtime.batches import Batch, Buffer, Flusher, Ready, frame_header
from apps.gateway.realtime.shapes import Seat
from apps.gateway.realtime.wire import Cursor
from apps.gateway.ws_app import Connection
from apps.gateway.ws_outbox import Outbox, Overflow
from apps.gateway.ws_protocol import Close, CloseCode, Phase, SocketLimits
from apps.gateway.ws_subscription import Subscription
from tests.gateway.test_seats import Listener, change


def batch_of(first: int, last: int, size: int = 10) -> Batch:
    return Batch([(change(n), json.dumps({"data": {"n": n, "x": "é" * size}})) for n in range(first, last + 1)])


def texts(data: bytes) -> list[str]:
    """Read frames as an independent client does."""
    reader, found = StreamReader(), []
    reader.feed_data(data)
    reader.feed_eof()
    while reader.buffer != b"":
        parsing = Frame.parse(reader.read_exact, mask=False, max_size=None)
        try:
            next(parsing)
        except StopIteration as parsed:
            frame: Frame = parsed.value
            assert (frame.opcode, frame.fin, frame.rsv1) == (Opcode.TEXT, True, False)
            found.append(bytes(frame.data).decode())
    return found


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    st.lists(st.integers(0, 400), min_size=1, max_size=8),
)
def test_frames_hold_the_messages_of_the_protocol(id_: str, sizes: list[int]) -> None:
    told = [(change(n), json.dumps({"data": "é" * size}, ensure_ascii=False)) for n, size in enumerate(sizes, 1)]
    batch, as_json = Batch(told), json.dumps(id_).encode()
    found = [json.loads(text) for text in texts(batch.frames(as_json))]
    assert found == [{"id": id_, "type": "next", "payload": {"data": "é" * size}} for size in sizes]
    assert len(Ready(batch, as_json)) == len(batch.frames(as_json))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 70_000])
def test_headers_at_the_bounds_of_their_forms(size: int) -> None:
    assert texts(frame_header(size) + b"x" * size) == ["x" * size]


@given(st.integers(0, 12), st.lists(st.integers(1, 4), max_size=8), st.booleans())
def test_a_seat_hands_on_what_lies_behind_it(seen: int, windows: list[int], held: bool) -> None:
    """Windows come that overlap what was seen, wholly, in part or not at all."""
    listener, number = Listener(), 1
    seat = Seat(listener, Cursor(seen), held=[] if held else None)
    for count in windows:
        seat.push(batch_of(number, number + count - 1))
        number += count
    if held:
        assert listener.heard == []
        seat.open(Cursor(seen))
    assert listener.heard == list(range(seen + 1, number))


class Wire:
    """The extension's end: what was written, and whether the client reads."""

    def __init__(self) -> None:
        self.written, self.paused, self.is_gone = b"", False, False
        self.closed: tuple[int, str] | None = None

    def forget_handshake(self) -> None:
        """There was none."""

    def on_shutdown(self, told: object) -> None:
        """There is none."""

    async def drained(self) -> None:
        while self.paused:
            await asyncio.sleep(0.001)

    def write(self, frames: bytes) -> None:
        self.written += frames


def begin(connection: Connection, id_: str) -> None:
    """Have an operation run under this id."""
    connection.machine.operations.add(id_)
    connection.tasks[id_] = asyncio.get_running_loop().create_future()  # type: ignore[assignment]


def connected(wire: Wire | None) -> tuple[Connection, Subscription]:
    scope = {"subprotocols": ["graphql-transport-ws"], "extensions": {} if wire is None else {"ig.frames": wire}}
    connection = Connection(engine(), SocketLimits(), scope, {})
    connection.machine.phase = Phase.READY
    begin(connection, "1")
    return connection, Subscription(connection, "1", "changes")


async def test_the_plain_way_sends_the_same_messages() -> None:
    wire = Wire()
    (_, ready), (plain_connection, plain) = connected(wire), connected(None)
    for batch in (batch_of(1, 3), batch_of(4, 4, 40_000)):
        ready.push(batch)
        plain.push(batch)
    sent: list[str] = []

    async def send(message: dict[str, str]) -> None:
        sent.append(message["text"])

    await plain_connection._write(send)
    assert texts(wire.written) == sent
    assert len(sent) == 4


async def test_nothing_overtakes_what_waits() -> None:
    wire = Wire()
    connection, subscription = connected(wire)

    async def send(message: dict[str, str]) -> None:
        await wire.drained()
        wire.write(frame_header(len(message["text"])) + message["text"].encode())

    connection._send = send
    subscription.push(batch_of(1, 2))
    wire.paused = True
    subscription.push(batch_of(3, 4))
    connection.send('{"type":"pong"}')
    await asyncio.sleep(0.01)  # the writer holds the first of them now
    subscription.push(batch_of(5, 5))
    wire.paused = False
    subscription.push(batch_of(6, 6))
    while not connection.outbox.idle:
        await asyncio.sleep(0.001)
    subscription.push(batch_of(7, 7))
    found = [json.loads(text) for text in texts(wire.written)]
    order = [message["payload"]["data"]["n"] if message["type"] == "next" else "pong" for message in found]
    assert order == [1, 2, 3, 4, "pong", 5, 6, 7]


async def test_what_waits_for_a_client_that_does_not_read_is_bounded_and_shared() -> None:
    wire = Wire()
    wire.paused = True
    connection, subscription = connected(wire)
    big = batch_of(1, 100, 1_000)
    pushes = 0
    while connection.arrears is None:
        subscription.push(big)
        pushes += 1
        assert pushes < 100
    assert pushes > 5
    assert connection.outbox.size <= connection.outbox.max_bytes
    taken = connection.outbox.take()
    assert isinstance(taken, Ready)
    assert taken.batch is big
    assert wire.written == b""


async def test_who_does_not_read_its_close_finds_it_when_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_line, "CLOSE_S", 0.01)
    wire, sent = Wire(), []
    connection, subscription = connected(wire)

    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        raise AssertionError("the client says nothing")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    running = asyncio.create_task(connection.run(receive, send))
    while not sent:
        await asyncio.sleep(0.001)
    connection.machine.phase = Phase.READY
    connection.machine.operations.add("1")
    wire.paused = True
    subscription.push(batch_of(1, 2))
    await asyncio.sleep(0.01)  # the writer waits for the client now
    connection.outbox.close(1013, "too slow", at_once=True)
    connection.outbox.close(1000, "later reasons do not count")
    await asyncio.wait_for(running, 5)
    assert sent[1:] == [{"type": "websocket.close", "code": 1013, "reason": "too slow"}]


async def test_what_waits_is_bounded_for_the_process_and_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    buffer = Buffer(bound_bytes=50_000)
    buffer.changed = told.append
    monkeypatch.setattr(batches, "BUFFER", buffer)
    monkeypatch.setattr(ws_outbox, "BUFFER", buffer)
    dead = [Outbox() for _ in range(3)]
    first = batch_of(1, 10, 500)
    for outbox in dead:
        outbox.put(Ready(first, b'"1"'))
    once = buffer.used_bytes
    assert once > sum(len(text) for _, text in first) and all(change.document is None for change, _ in first)
    enough = [Ready(batch_of(1, 10, 500), b'"1"') for _ in range(9)]
    with pytest.raises(Overflow):
        for ready in enough:
            dead[0].put(ready)
    assert buffer.is_full and buffer.used_bytes == 10 * once
    with pytest.raises(Overflow):
        dead[1].put(Ready(first, b'"1"'))
    dead[1].put("a message of the protocol is none of it")
    Outbox().put(Ready(batch_of(1, 10, 500), b'"1"'))  # who had nothing waiting has its window
    assert dead[0].take() and not dead[1].closing
    del enough, ready
    dead[0].close(1013, "too slow", at_once=True)
    assert buffer.used_bytes == once, "two others wait for the first still"
    for outbox in dead[1:]:
        outbox.close(1013, "too slow", at_once=True)
    assert buffer.used_bytes == 0 == told[-1]


async def test_nothing_is_pushed_once_access_has_ended() -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    connection.perform([Close(int(CloseCode.FORBIDDEN), "ended"), *connection.machine.lost()])
    subscription.push(batch_of(1, 1))
    assert wire.written == b""


async def test_a_window_is_short_and_an_idle_one_is_none() -> None:
    class Shape:
        def __init__(self) -> None:
            self.flushed: list[float] = []

        def flush(self) -> None:
            self.flushed.append(asyncio.get_running_loop().time())

    shape, flusher = Shape(), Flusher(window_s=0.05)
    flusher.mark(shape)
    flusher.mark(shape)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(shape.flushed) == 1
    flusher.mark(shape)
    while len(shape.flushed) < 2:
        await asyncio.sleep(0.001)
    assert shape.flushed[1] - shape.flushed[0] >= 0.045


async def test_others_have_their_turn_between_windows_that_take_long() -> None:
    class Shape:
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1
            time.sleep(0.02)
            flusher.mark(self)  # more has come meanwhile

    shape, flusher = Shape(), Flusher(window_s=0.005)
    flusher.mark(shape)
    turns, began = 0, time.monotonic()
    while time.monotonic() - began < 0.5:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= shape.flushed >= 10
    flusher._marked.clear()


async def test_who_rests_goes_on_when_what_comes_can_be_sent_at_once() -> None:
    class Shape:
        def flush(self) -> None:
            order.append("flushed")

    order: list[str] = []
    flusher, shape = Flusher(window_s=0.02), Shape()
    loop = asyncio.get_running_loop()
    began = loop.time()
    flusher.mark(shape)
    flusher.rest(lambda: order.append("read"))
    while len(order) < 2:
        await asyncio.sleep(0.001)
    assert order == ["flushed", "read"] and loop.time() - began >= 0.019
    flusher.mark(shape)
    await asyncio.sleep(0.002)
    assert order == ["flushed", "read", "flushed"]
    flusher = Flusher(window_s=0.01)
    flusher.rest(lambda: order.append("nothing was to be sent"))
    while len(order) < 4:
        await asyncio.sleep(0.001)
