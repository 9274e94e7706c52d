"""Gate, mailbox and clock: what asyncio's own do, and what they must not do."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway import waiting
from apps.gateway.waiting import Clock, Gate, Mailbox, clock


async def test_a_gate_lets_through_when_open_and_holds_back_when_closed() -> None:
    gate = Gate()
    waiting_here = [asyncio.create_task(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting_here[1].cancel()
    await asyncio.sleep(0)
    assert [task.done() for task in waiting_here] == [False, True, False]
    gate.set()
    assert await waiting_here[0] and await waiting_here[2]
    assert gate.is_set() and await gate.wait()
    gate.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gate.wait(), 0.01)


@given(st.lists(st.booleans(), max_size=40))
def test_a_mailbox_keeps_order_however_putting_and_getting_alternate(puts: list[bool]) -> None:
    async def run() -> None:
        box, put, got = Mailbox(), 0, []
        for is_put in puts:
            if is_put:
                box.put_nowait(put)
                put += 1
            elif not box.empty():
                got.append(await box.get())
        while not box.empty():
            got.append(await box.get())
        assert got == list(range(put))

    asyncio.run(run())


async def test_a_mailbox_wakes_its_reader_and_survives_one_that_gave_up() -> None:
    box = Mailbox()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(box.get(), 0.01)
    reader = asyncio.create_task(box.get())
    await asyncio.sleep(0)
    box.put_nowait("a")
    box.put_nowait("b")
    assert [await reader, await box.get()] == ["a", "b"]


async def test_a_clock_calls_in_time_and_not_what_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TICK_S", 0.01)
    loop, rung = asyncio.get_running_loop(), []
    began, hands = loop.time(), Clock()

    def broken() -> None:
        raise RuntimeError("one connection's trouble")

    hands.later(0.03, broken)
    hands.later(0.03, lambda: rung.append(loop.time() - began))
    hands.later(0.02, lambda: rung.append("never")).cancel()
    hands.later(0.08, lambda: rung.append(loop.time() - began))
    while len(rung) < 2:
        await asyncio.sleep(0.005)
    assert rung[0] >= 0.03 and rung[1] >= 0.08
    assert hands._timer is None, "an idle clock does not tick"
    assert clock() is clock()
