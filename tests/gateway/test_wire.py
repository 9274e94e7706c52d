"""A tenant's feed as laws: whatever is lost, doubled or cut anew, each change is seen once and in order."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.realtime.wire import WHOLE, Change, Cursor, Notice, Stretch, StretchBuilder, Tail, decode, encode


def change(number: int, position: int = 0) -> Change:
    return Change(
        number,
        position,
        f"{number}.{position}",
        "entity",
        "id",
        "updated",
        1,
        "Asset",
        "2026-11-21T00:00:00.000000Z",
        {"name": "é"},
        ("internal", "none", ("investigation",)),
    )


def cut(records: list[int], start: int, max_changes: int) -> list[Stretch]:
    """Cut records (each with so many items, numbered from `start`) into stretches."""
    builder = StretchBuilder(Cursor(start - 1), max_changes)
    found = []
    for number, items in enumerate(records, start):
        if items == 0:
            builder.note(Notice(number, "identity.apikey.revoked"))
        for position in range(items):
            if full := builder.add(change(number, position)):
                found.append(full)
    found.append(builder.cut(Cursor(start + len(records) - 1)))
    return found


@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=20),
    st.integers(1, 5),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_every_change_once_and_in_order(records: list[int], one: int, two: int, chance: random.Random) -> None:
    first, again = cut(records, 1, one), cut(records, 1, two)
    expected = [c.cursor for s in first for c in s.changes]
    tail, seen = Tail(Cursor(0)), []
    for stretch in first:
        if chance.random() < 0.4:
            continue  # lost on the way
        if tail.missing_before(stretch):
            for filler in again:  # read again from the source, cut otherwise
                if not tail.missing_before(filler) and filler.after < stretch.after:
                    seen += [c.cursor for c in tail.take(filler).changes]
        seen += [c.cursor for c in tail.take(stretch).changes]
        seen += [c.cursor for c in tail.take(stretch).changes]  # came twice
    for filler in again:
        seen += [c.cursor for c in tail.take(filler).changes]
    assert seen == expected
    assert tail.cursor == Cursor(len(records))


def test_a_hole_is_noticed() -> None:
    tail = Tail(Cursor(5))
    later = Stretch(Cursor(6), Cursor(7), (change(7),))
    assert tail.missing_before(later)
    with pytest.raises(ValueError, match="missing"):
        tail.take(later)
    assert not tail.missing_before(Stretch(Cursor(5), Cursor(6)))


def test_a_message_survives_the_way() -> None:
    stretch = Stretch(Cursor(1), Cursor(2, 3), (change(2, 3),), (Notice(2, "x"),))
    assert decode(encode(stretch)) == stretch
    assert Cursor(2).position == WHOLE


@pytest.mark.parametrize(
    "message", [b"", b"{}", b"[]", b'{"after":[1,2],"upto":[1,2],"changes":[[1]],"notices":[]}', b"\xff"]
)
def test_nonsense_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        decode(message)
