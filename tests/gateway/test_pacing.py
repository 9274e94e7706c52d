"""Pace and coalescing as laws: tokens are never made up, and what is left out adds up."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.ids import new_id
from apps.gateway.realtime import shapes
from apps.gateway.realtime.batches import Batch, Flusher
from apps.gateway.realtime.gaps import Reason
from apps.gateway.realtime.handing import Handing
from apps.gateway.realtime.pacing import Latest, Pacer, topic_limit
from apps.gateway.realtime.shapes import Seat, Shape, Source
from apps.gateway.realtime.wire import Change, Cursor
from apps.quotas.types import Limit
from tests.gateway.test_gaps import check_whole


def change(number: int, ref: str = "one") -> Change:
    return Change(number, 0, str(number), "entity", ref, "updated", 1, "Asset", "2026-11-21T00:00:00.000000Z")


@given(st.integers(1, 20), st.lists(st.tuples(st.floats(0, 2), st.integers(1, 6)), max_size=30))
def test_no_more_is_admitted_than_flows_in(burst: int, asked: list[tuple[float, int]]) -> None:
    pacer, now, number, admitted = Pacer(Limit(3.0, burst), 0.0), 0.0, 0, 0
    for pause, count in asked:
        now += pause
        if pacer.take_all(count, {}, now):
            admitted += count
        admitted += sum(pacer.take_one("", now) for _ in range(count))
        for _ in range(count):
            number += 1
            admitted += pacer.refuses("", Cursor(number), now) is None
    assert admitted <= burst + 3.0 * now + 1e-6


def test_a_change_that_many_shapes_ask_for_takes_one_token() -> None:
    pacer = Pacer(Limit(0.001, 60), 0.0)
    for number in range(10):
        assert [pacer.refuses(topic, Cursor(number), 0.0) for topic in ("", "a", "", "a")] == [None] * 4
    assert pacer.take_all(50, {}, 0.0)
    assert not pacer.take_all(1, {}, 0.0)


def test_one_noisy_entity_leaves_something_for_the_others() -> None:
    pacer = Pacer(Limit(0.001, 60), 0.0)
    answers = [pacer.refuses("noisy", Cursor(number), 0.0) for number in range(20)]
    assert answers == [None] * 10 + [Reason.TOPIC_RATE] * 10
    assert pacer.refuses("quiet", Cursor(100), 0.0) is None
    assert not pacer.take_all(1, {"noisy": 1}, 0.0)
    assert pacer.take_all(1, {"quiet": 1}, 0.0)
    assert topic_limit(Limit(1_000, 60_000)) == Limit(500, 10_000)


def test_nothing_is_taken_when_not_all_is_there() -> None:
    pacer = Pacer(Limit(0.001, 12), 0.0)
    assert not pacer.take_all(3, {"a": 3}, 0.0)  # the topic has two
    assert pacer.take_all(12, {"a": 2}, 0.0)


def test_a_token_taken_quickly_is_one_of_both_buckets() -> None:
    pacer = Pacer(Limit(0.001, 60), 0.0)
    assert [pacer.take_one("noisy", 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert [pacer.take_one("", 0.05) for _ in range(51)] == [True] * 50 + [False]
    rich = Pacer(Limit(10.0, 10), 0.0)
    assert sum(rich.take_one("", 100.0) for _ in range(30)) == 10  # what overflowed while nobody asked is gone
    assert sum(rich.take_one("", 100.5) for _ in range(30)) == 5


def test_another_limit_holds_at_once() -> None:
    pacer = Pacer(Limit(1.0, 1), 0.0)
    pacer.change_limit(Limit(0.001, 100), 0.0)
    assert pacer.take_all(100, {}, 0.0)
    pacer.change_limit(Limit(0.001, 10), 1.0)
    assert not pacer.take_all(1, {}, 1.0)


@given(st.lists(st.integers(0, 4), max_size=40))
def test_the_newest_of_each_in_order_and_the_others_counted(refs: list[int]) -> None:
    latest = Latest()
    for number, ref in enumerate(refs, 1):
        latest.add(change(number, f"{ref}"))
    found = latest.take()
    assert [each.change.number for each in found] == sorted({ref: n for n, ref in enumerate(refs, 1)}.values())
    assert sum(1 + each.superseded for each in found) == len(refs)
    assert latest.take() == []


class Member:
    """Keeps what it was handed."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def offer(self, change: Change, payload: str) -> None:
        self.heard.append(json.loads(payload))

    def push(self, batch: Batch) -> None:
        self.heard += [json.loads(payload) for _, payload in batch]

    async def room(self) -> None:
        """Always."""

    async def revalidate(self) -> None:
        """Always allowed."""

    def broken(self) -> None:
        raise AssertionError("a shape broke")


class Plain(Shape):
    """A shape that renders without a schema."""

    def wants(self, change: Change) -> bool:
        return self.source.wants(change)

    async def render(self, change: Change) -> str:
        return json.dumps({"data": {"n": change.number}})


def following(limit: Limit, ref_id: str | None = None, coalesce_s: float = 0.0) -> tuple[Handing, Shape, Member]:
    handing: Handing
    tasks = set()

    def wake() -> None:
        task = asyncio.create_task(handing.pay())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    handing = Handing(Flusher(), Pacer(limit, asyncio.get_running_loop().time()), wake)
    wants: Callable[[Change], bool] = lambda change: ref_id in (None, change.ref_id)  # noqa: E731
    source = Source(new_id(), "changes", wants, None, coalesce_s, ref_id)
    shape, member = Plain(None, None, None, source), Member()  # type: ignore[arg-type]
    shape.seats.add(Seat(member, Cursor(0)))
    return handing, shape, member


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("ref_id", "reason"), [(None, "TENANT_RATE"), ("one", "TOPIC_RATE")])
async def test_what_comes_too_fast_is_left_out_and_said(ref_id: str | None, reason: str) -> None:
    handing, shape, member = following(Limit(40.0, 30), ref_id)
    for number in range(1, 301):
        await handing.tell(shape, change(number))
        await asyncio.sleep(0.001)
    await until(lambda: bool(member.heard) and member.heard[-1]["data"]["n"] == 300)
    assert check_whole(member.heard, 300) > 200
    assert {tuple(each["extensions"]["discontinuity"]["reasons"]) for each in member.heard if "extensions" in each} == {
        (reason,)
    }
    handing.end()


@pytest.mark.parametrize("limit", [Limit(1e6, 10**6), Limit(20.0, 1)])
@pytest.mark.parametrize("coalesce_s", [0.0, 0.05])
async def test_what_waits_on_purpose_is_not_late(
    monkeypatch: pytest.MonkeyPatch, limit: Limit, coalesce_s: float
) -> None:
    timed: list[int] = []

    class Ages:
        def note(self, change: Change) -> None:
            timed.append(change.number)

    monkeypatch.setattr(shapes, "ages", lambda histogram: Ages())
    handing, shape, member = following(limit, coalesce_s=coalesce_s)
    for number in range(1, 6):
        await handing.tell(shape, change(number))
        await asyncio.sleep(0.001)
    await until(lambda: bool(member.heard) and member.heard[-1]["data"]["n"] == 5)
    if coalesce_s:
        assert timed == []
    elif limit.burst == 1:
        assert timed == [1]
    else:
        assert timed[0] == 1 and timed == sorted(timed)
    handing.end()


async def test_coalescing_tells_the_newest_and_how_many_it_stands_for() -> None:
    handing, shape, member = following(Limit(1e6, 10**6), coalesce_s=0.1)
    for number in range(1, 101):
        await handing.tell(shape, change(number, f"{number % 3}"))
    assert member.heard == []
    await until(lambda: len(member.heard) == 3)
    assert [each["data"]["n"] for each in member.heard] == [98, 99, 100]
    assert sum(each["extensions"]["coalesced"]["superseded"] for each in member.heard) == 97
    await handing.tell(shape, change(101))
    await until(lambda: len(member.heard) == 4)
    assert member.heard[-1] == {"data": {"n": 101}}
    handing.end()


async def test_what_is_coalesced_and_then_left_out_is_all_counted() -> None:
    handing, shape, member = following(Limit(4.0, 1), coalesce_s=0.05)
    for number in range(1, 13):
        await handing.tell(shape, change(number, f"{number % 4}"))
    await until(lambda: len(member.heard) >= 2 and member.heard[-1]["data"]["n"] == 12)
    total = len(member.heard)
    for each in member.heard:
        said = each.get("extensions", {})
        total += said.get("coalesced", {}).get("superseded", 0) + said.get("discontinuity", {}).get("missed", 0)
    assert total == 12
    handing.end()


async def test_a_shape_that_owes_is_never_overtaken() -> None:
    handing, shape, _ = following(Limit(0.001, 6))
    assert handing.at_once([(shape, change(1))])
    for number in range(2, 9):
        await handing.tell(shape, change(number))
    assert shape.gap is not None
    assert not handing.at_once([(shape, change(9))])
    handing.forget(shape)
    handing.end()
