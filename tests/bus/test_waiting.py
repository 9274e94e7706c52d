"""A subscriber whose store is away waits: nothing is parked, nothing is lost; and it may tend its store between events."""

import threading
from collections.abc import Sequence

import pytest

from apps.bus import relay, selectors
from apps.bus import services as bus
from apps.bus.errors import StoreAway
from apps.bus.models import Parked
from apps.bus.types import Delivered
from apps.core.ids import new_id
from apps.core.scope import system_scope, tenant_scope
from apps.graph import services
from apps.graph.types import EntityInput
from tests.conftest import make_tenant, sequence


class Moody:
    """A subscriber with a store that may be away."""

    types: tuple[str, ...] = ("graph.",)
    wants_items = True

    def __init__(self) -> None:
        self.name = f"test.moody.{new_id().hex}"
        self.away = threading.Event()
        self.refused = threading.Event()
        self.refusals = 0
        self.taken: list[int] = []
        self.tended: list[int] = []
        self.left_to_tend = 0
        self.fault: Exception | None = None

    def handle(self, batch: Sequence[Delivered]) -> None:
        if self.away.is_set():
            self.refusals += 1
            if self.refusals > 20:
                self.refused.set()
            raise StoreAway("gone", retry_after_s=0.001)
        self.taken += [event.position for event in batch]

    def tend(self, position: int) -> bool:
        if self.fault is not None:
            raise self.fault
        self.tended.append(position)
        self.left_to_tend -= 1
        return self.left_to_tend > 0


def write_some(count: int) -> None:
    kit = make_tenant()
    with tenant_scope(kit.info.id):
        for number in range(count):
            services.upsert_entities(kit.ctx, inputs=[EntityInput("Thing", str(number))])
    sequence()


def position_of(subscriber: Moody) -> int:
    with system_scope("bus.relay"):
        return selectors.cursors().get(subscriber.name, 0)


def run_until(subscriber: Moody, reached: threading.Event) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(subscriber,), kwargs={"stop": stop, "woken": threading.Event()})
    thread.start()
    try:
        assert reached.wait(60)
    finally:
        stop.set()
        thread.join(10)


def test_nothing_is_parked_while_the_store_is_away() -> None:
    write_some(4)
    moody = Moody()
    moody.away.set()
    run_until(moody, moody.refused)
    with system_scope("bus.relay"):
        assert not Parked.objects.filter(subscriber=moody.name).exists()
    assert position_of(moody) == 0
    assert relay.AWAY.labels(moody.name)._value.get() == 1
    moody.away.clear()
    relay.drain([moody])
    assert len(moody.taken) >= 4
    assert moody.taken == sorted(set(moody.taken))
    assert relay.AWAY.labels(moody.name)._value.get() == 0
    assert relay.BEHIND.labels(moody.name)._value.get() == 0


def test_the_store_is_tended_under_the_cursors_lock_until_nothing_is_left() -> None:
    write_some(1)
    moody = Moody()
    relay.drain([moody])
    moody.left_to_tend = 3
    delivery = relay.Delivery(moody)
    assert [delivery.tend(), delivery.tend(), delivery.tend()] == [True, True, False]
    assert moody.tended == [position_of(moody)] * 3
    assert delivery.tend() is False  # not again at once
    assert len(moody.tended) == 3


def test_upkeep_that_fails_parks_nothing_and_is_tried_later() -> None:
    write_some(1)
    for fault in (StoreAway("gone"), ValueError("a mistake")):
        moody = Moody()
        moody.fault = fault
        delivery = relay.Delivery(moody)
        assert delivery.tend() is False
        with system_scope("bus.relay"):
            assert not Parked.objects.filter(subscriber=moody.name).exists()
        moody.fault = None
        delivery._tend_at = 0.0
        delivery.tend()
        assert moody.tended


def test_a_held_cursor_keeps_the_relay_out() -> None:
    moody = Moody()
    relay.drain([moody])
    write_some(1)
    taken = list(moody.taken)
    passed: list[int] = []
    with bus.holding(moody.name) as position:
        assert position == position_of(moody)
        thread = threading.Thread(target=lambda: passed.append(relay.Delivery(moody).step()))
        thread.start()
        thread.join(20)
        assert (passed, moody.taken) == ([0], taken)
    assert relay.Delivery(moody).step() > 0


def test_a_batch_is_cut_where_its_items_grow_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = make_tenant()
    with tenant_scope(kit.info.id):
        for _ in range(3):
            services.upsert_entities(kit.ctx, inputs=[EntityInput("Thing", f"{new_id()}") for _ in range(30)])
    sequence()
    with system_scope("bus.relay"):
        every = [e for e in selectors.after_position(0, limit=100_000, with_items=False) if e.tenant_id == kit.info.id]
        before = every[-3].position - 1
        whole = selectors.after_position(before, limit=10, with_items=True)
        assert [event.item_count for event in whole if event.tenant_id == kit.info.id] == [30, 30, 30]
        monkeypatch.setattr(selectors, "MOST_ITEMS", 60)
        assert len(selectors.after_position(before, limit=10, with_items=True)) == 2
        monkeypatch.setattr(selectors, "MOST_ITEMS", 5)
        assert len(selectors.after_position(before, limit=10, with_items=True)) == 1
        assert len(selectors.after_position(before, limit=10, with_items=False)) >= 3
