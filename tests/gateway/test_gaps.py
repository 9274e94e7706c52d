"""Nothing is left out silently: whatever a slow client misses is counted, named by its range, and told."""

import asyncio
import gc
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway import ws_line
from apps.gateway.realtime.batches import BUFFER, frame_header
from apps.gateway.realtime.gaps import Gap, Reason, since_before, with_extensions
from apps.gateway.realtime.wire import Change
from apps.gateway.ws_app import Connection
from apps.gateway.ws_arrears import MAX_EPISODES
from apps.gateway.ws_protocol import CloseCode
from apps.gateway.ws_subscription import Subscription
from tests.gateway.test_batches import Wire, batch_of, begin, connected, texts
from tests.gateway.test_seats import change


def payload(number: int) -> str:
    return json.dumps({"data": {"n": number}})


def in_record(number: int, position: int) -> Change:
    ref = f"{number}.{position}"
    return Change(number, position, ref, "entity", "id", "updated", 1, "Asset", "2026-11-21T00:00:00.000000Z")


def check_whole(payloads: list[dict[str, Any]], upto: int) -> int:
    """Check that numbers 1 to `upto` are each told or lie in a discontinuity; return how many were left out."""
    missed, expected = 0, 1
    for each in payloads:
        number = each["data"]["n"]
        gap = each.get("extensions", {}).get("discontinuity")
        if gap is None:
            assert number == expected
        else:
            assert (gap["first"], gap["last"], gap["since"]) == (str(expected), str(number - 1), str(expected - 1))
            assert gap["missed"] == number - expected > 0
            missed += gap["missed"]
        expected = number + 1
    assert expected == upto + 1
    return missed


def payloads(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(text)["payload"] for text in texts(data)]


async def settled(connection: Connection) -> None:
    while not connection.outbox.idle:
        await asyncio.sleep(0.001)


async def over(connection: Connection) -> None:
    """Wait until the close was sent."""
    writer = connection._writer
    assert writer is not None
    await writer


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_gaps_of_gaps_add_up(runs: list[int]) -> None:
    """Results that tell of gaps themselves are left out in turn: the sums and the range stay right."""
    told: list[tuple[Change, str]] = []
    number = 0
    for size in runs:
        gap: Gap | None = None
        for _ in range(size):
            number += 1
            if gap is None:
                gap = Gap(Reason.TENANT_RATE, change(number))
            else:
                gap.add(change(number))
        assert gap is not None
        told.append((gap.change, gap.result(payload(number))))
    check_whole([json.loads(text) for _, text in told], number)
    outer = Gap(Reason.SLOW_CONSUMER, *told[0])
    for each, text in told[1:]:
        outer.add(each, text)
    result = json.loads(outer.result(outer.payload or ""))
    assert check_whole([result], number) == number - 1 if number > 1 else "extensions" not in result
    if len(runs) > 1 and max(runs) > 1:
        assert result["extensions"]["discontinuity"]["reasons"] == ["SLOW_CONSUMER", "TENANT_RATE"]


@given(st.integers(1, 5), st.integers(1, 5))
def test_gaps_that_follow_one_another_join(one: int, two: int) -> None:
    parts = []
    for numbers in (range(1, one + 1), range(one + 1, one + two + 1)):
        gap = Gap(Reason.SLOW_CONSUMER, change(numbers[0]), payload(numbers[0]))
        for number in numbers[1:]:
            gap.add(change(number), payload(number))
        parts.append(gap)
    parts[0].join(parts[1])
    check_whole([json.loads(parts[0].result(parts[0].payload or ""))], one + two)


def test_superseded_updates_of_what_is_left_out_count() -> None:
    gap = Gap(Reason.SLOW_CONSUMER, change(5), with_extensions(payload(5), {"coalesced": {"superseded": 4}}))
    gap.add(change(6), payload(6))
    assert json.loads(gap.result(payload(6)))["extensions"]["discontinuity"]["missed"] == 5


def test_one_update_that_comes_late_is_no_gap() -> None:
    assert Gap(Reason.SLOW_CONSUMER, change(5), payload(5)).result(payload(5)) == payload(5)


def test_where_to_resume_lies_right_before_the_first() -> None:
    assert [since_before(each) for each in (change(7), in_record(7, 0), in_record(7, 3))] == ["6", "6", "7.2"]


def test_contents_that_look_like_a_mark_are_contents() -> None:
    text = json.dumps({"data": {"n": 1, "x": '"discontinuity"'}})
    gap = Gap(Reason.SLOW_CONSUMER, change(1), text)
    gap.add(change(2), payload(2))
    check_whole([json.loads(gap.result(payload(2)))], 2)


def behind(connection: Connection) -> bool:
    return connection.arrears is not None and bool(connection.arrears.gaps)


def write_to(connection: Connection, wire: Wire) -> None:
    async def send(message: dict[str, Any]) -> None:
        await wire.drained()
        if message["type"] == "websocket.close":
            wire.closed = (message["code"], message["reason"])
        else:
            text = message["text"].encode()
            wire.written += frame_header(len(text)) + text

    connection._send = send
    connection._flow()


def slow(windows: int, size: int = 100) -> tuple[Wire, Connection, Subscription, int]:
    """Return a connection whose outbox is full, since its client does not read, and the number of the last update."""
    wire = Wire()
    connection, subscription = connected(wire)
    connection.outbox.max_bytes = 20_000
    wire.paused = True
    for window in range(windows):
        subscription.push(batch_of(window * 10 + 1, window * 10 + 10, size))
    return wire, connection, subscription, windows * 10


@pytest.mark.parametrize("frames", [True, False])
async def test_a_slow_client_is_told_what_it_misses_and_goes_on(frames: bool) -> None:
    wire, connection, subscription, last = slow(40)
    if not frames:
        connection.frames = None
    assert behind(connection)
    write_to(connection, wire)
    wire.paused = False
    await settled(connection)
    subscription.push(batch_of(last + 1, last + 5))
    await settled(connection)
    assert not connection.outbox.closing
    found = payloads(wire.written)
    assert check_whole(found, last + 5) > 100
    reasons = [each["extensions"]["discontinuity"]["reasons"] for each in found if "extensions" in each]
    assert reasons == [["SLOW_CONSUMER"]]


async def test_a_client_that_stays_slow_is_told_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_line, "SLOW_S", 0.05)
    wire, connection, subscription, last = slow(40)
    assert not connection.outbox.closing
    await asyncio.sleep(1)
    assert connection.outbox.closing
    subscription.push(batch_of(last + 1, last + 1))
    write_to(connection, wire)
    wire.paused = False
    await over(connection)
    (only,) = payloads(wire.written)
    assert check_whole([only], last) == last - 1
    assert wire.closed == (int(CloseCode.TRY_AGAIN_LATER), "Too slow: resume with since = the last eventId received")


async def test_a_client_that_falls_behind_again_and_again_is_closed() -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    connection.outbox.max_bytes = 2_000
    write_to(connection, wire)
    number, rounds = 0, 0
    while not connection.outbox.closing:
        wire.paused = True
        while not behind(connection) and not connection.outbox.closing:
            subscription.push(batch_of(number + 1, number + 1, 100))
            number += 1
            await asyncio.sleep(0)
        wire.paused = False
        rounds += 1
        while not connection.outbox.idle and not connection.outbox.closing:
            await asyncio.sleep(0.001)
    await over(connection)
    assert rounds == MAX_EPISODES + 1
    # What was late came with the newest, so nothing is missing but what still waited when the connection was closed.
    found = payloads(wire.written)
    assert [n for n, each in enumerate(found) if "extensions" in each] == [len(found) - 1]
    assert check_whole(found, number) < 5
    assert wire.closed is not None
    assert wire.closed[0] == int(CloseCode.TRY_AGAIN_LATER)


async def test_what_the_writer_holds_for_a_client_that_stays_slow_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_line, "SLOW_S", 0.05)
    wire = Wire()
    connection, subscription = connected(wire)
    connection.outbox.max_bytes = 20_000
    wire.paused = True
    write_to(connection, wire)
    for window in range(40):
        subscription.push(batch_of(window * 10 + 1, window * 10 + 10, 100))
        await asyncio.sleep(0)  # the writer takes the first and waits
    await asyncio.sleep(1)
    assert connection.outbox.closing
    wire.paused = False
    await over(connection)
    (only,) = payloads(wire.written)
    assert check_whole([only], 400) == 399


async def test_other_operations_of_a_slow_client_are_told_of_their_own() -> None:
    wire, connection, _, last = slow(40)
    begin(connection, "2")
    other = Subscription(connection, "2", "changes")
    other.push(batch_of(1, 40, 1_000))
    write_to(connection, wire)
    wire.paused = False
    await settled(connection)
    messages = [json.loads(text) for text in texts(wire.written)]
    check_whole([each["payload"] for each in messages if each["id"] == "1"], last)
    assert check_whole([each["payload"] for each in messages if each["id"] == "2"], 40) == 39


async def test_an_operation_that_ended_is_told_nothing_more() -> None:
    wire, connection, _, last = slow(40)
    connection.perform(connection.machine.received('{"id":"1","type":"complete"}', 0.0))
    assert not behind(connection)
    write_to(connection, wire)
    wire.paused = False
    await settled(connection)
    assert payloads(wire.written)[-1]["data"]["n"] < last


async def test_one_window_of_any_size_reaches_who_reads() -> None:
    wire = Wire()
    connection, subscription = connected(None)
    connection.outbox.max_bytes = 1_000
    subscription.push(batch_of(1, 5, 1_000))
    write_to(connection, wire)
    await settled(connection)
    assert check_whole(payloads(wire.written), 5) == 0


async def test_what_waited_for_a_client_counts_no_more_when_it_is_gone() -> None:
    """Not even until rings of objects are collected, which an idle process may not do for hours."""
    before = BUFFER.used_bytes
    gc.disable()
    try:
        wire = Wire()
        connection, subscription = connected(wire)
        wire.paused = True
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "websocket.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            await wire.drained()

        wire.paused = False
        running = asyncio.create_task(connection.run(receive, send))
        await asyncio.sleep(0.01)
        wire.paused = True
        for window in range(5):
            subscription.push(batch_of(window * 10 + 1, window * 10 + 10, 100))
            await asyncio.sleep(0)  # the writer holds the first, the others wait
        assert BUFFER.used_bytes > before
        gone.set()
        await asyncio.wait_for(running, 5)
        del running
        assert BUFFER.used_bytes == before
    finally:
        gc.enable()
