"""A seat's laws: whatever comes live while the past is told, each change is handed on once and in order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from apps.core.context import Context
from apps.gateway.engine import Engine, Prepared
from apps.gateway.parameters import Parameters
from apps.gateway.realtime import shapes
from apps.gateway.realtime.batches import Batch
from apps.gateway.realtime.shapes import Seat, shape_key
from apps.gateway.realtime.wire import Change, Cursor
from apps.gateway.schema import schema
from apps.gateway.ws_outbox import Outbox, Overflow


def change(number: int) -> Change:
    return Change(number, 0, str(number), "entity", "id", "updated", 1, "Asset", "2026-11-21T00:00:00.000000Z")


class Listener:
    """A member that remembers what it was handed."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def offer(self, change: Change, payload: str) -> None:
        self.heard.append(change.number)

    def push(self, batch: Batch) -> None:
        self.heard += [change.number for change, _ in batch]

    async def room(self) -> None:
        """Always."""

    async def revalidate(self) -> None:
        """Always allowed."""

    def broken(self) -> None:
        """Never."""


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 12))
def test_past_and_live_join_without_hole_or_double(since: int, told: int, live: int, overlap: int) -> None:
    """The past up to `upto` is read from the ledger while changes from `upto - overlap` on come live."""
    upto = since + told
    listener = Listener()
    seat = Seat(listener, Cursor(since), held=[])
    for number in range(max(since, upto - overlap) + 1, upto + live + 1):
        seat.offer(change(number), "")
    assert listener.heard == []
    for number in range(since + 1, upto + 1):
        seat.hand_on(change(number), "")
    seat.open(Cursor(upto))
    seat.offer(change(upto + live + 1), "")
    assert listener.heard == list(range(since + 1, upto + live + 2))


def test_what_is_too_much_to_keep_is_read_again() -> None:
    listener = Listener()
    seat = Seat(listener, Cursor(0), held=[])
    total = shapes.MAX_HELD + 10
    for number in range(1, total + 1):
        seat.offer(change(number), "")
    assert seat.overtaken
    seat.again()
    assert not seat.overtaken
    for number in range(1, total + 1):
        seat.hand_on(change(number), "")
    seat.open(Cursor(total))
    assert listener.heard == list(range(1, total + 1))


def test_an_outbox_is_bounded_in_number_and_size() -> None:
    outbox = Outbox(max_messages=3, max_bytes=10)
    outbox.put("123")
    outbox.put("456")
    for text in ("78901", "7", "8"):
        try:
            outbox.put(text)
        except Overflow:
            assert outbox.size + len(text) > 10 or len(outbox) == 3
    assert outbox.size <= 10
    outbox.close(1013, "slow", at_once=True)
    outbox.put("late")
    assert (len(outbox), outbox.size, outbox.closing) == (0, 0, True)


async def test_an_outbox_gives_its_texts_then_the_close() -> None:
    outbox = Outbox()
    outbox.put("a")
    outbox.close(1000, "done")
    outbox.close(4400, "later reasons do not count")
    assert [outbox.take(), outbox.take()] == ["a", (1000, "done")]


async def test_room_comes_back_when_half_is_sent() -> None:
    outbox = Outbox(max_messages=4)
    for text in "abc":
        outbox.put(text)
    assert not outbox._drained.is_set()
    outbox.take()
    outbox.take()
    await outbox.room()
    assert len(outbox) == 1


def test_where_to_begin_is_no_part_of_a_shape() -> None:
    query = "subscription ($t: ID!, $from: String, $k: [String!]) { changes(tenantId: $t, since: $from, kinds: $k) { eventId } }"
    engine, ctx = Engine(schema.graphql_schema), Context(roles=frozenset({"reader"}))

    def key(ctx: Context = ctx, **variables: object) -> tuple[str, str, bytes, str]:
        prepared = asyncio.run(engine.prepare(Parameters(query, variables=variables), ctx))
        assert isinstance(prepared, Prepared)
        return shape_key(prepared, ctx)

    base = key(t="alpha")
    assert key(**{"t": "alpha", "from": "17"}) == base == key(**{"from": "3", "t": "alpha"})
    assert key(t="alpha", k=["A"]) != base
    assert key(ctx.but(roles=frozenset({"owner"})), t="alpha") != base
    assert key(ctx.but(purpose="fraud-risk"), t="alpha") != base
