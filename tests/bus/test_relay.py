"""Delivery: at least once, effects once, in order; what poisons is parked and the rest goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from django.db import transaction

from apps.bus import relay, selectors
from apps.bus.models import Cursor, Parked
from apps.bus.types import Delivered, parse_event_ref
from apps.core.ids import new_id
from apps.core.scope import system_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.tenants.models import Tenant
from tests.conftest import TenantKit, make_tenant, sequence


@dataclass
class Noted:
    """A subscriber that notes what it was handed, and refuses what it is told to."""

    name: str = field(default_factory=lambda: f"test.{new_id().hex}")
    types: tuple[str, ...] = ()
    wants_items: bool = True
    refuse: set[int] = field(default_factory=set)
    seen: list[Delivered] = field(default_factory=list)
    tries: int = 0

    def handle(self, batch: Sequence[Delivered]) -> None:
        self.tries += 1
        for event in batch:
            if event.number in self.refuse:
                raise ValueError(f"cannot take {event.number}")
        self.seen += batch


def start_here(subscriber: Noted) -> None:
    """Let a subscriber begin at the present end of the ledger."""
    sequence()
    with system_scope("bus.relay"), transaction.atomic(using="system"):
        Cursor.objects.create(subscriber=subscriber.name, position=0)
        from apps.ledger.selectors import head_position

        Cursor.objects.filter(subscriber=subscriber.name).update(position=head_position())


def write(kit: TenantKit, names: Sequence[str]) -> None:
    with tenant_scope(kit.info.id):
        for name in names:
            graph.upsert_entities(kit.ctx, inputs=[EntityInput("Asset", name)])
    sequence()


def mine(subscriber: Noted, kit: TenantKit) -> list[Delivered]:
    return [event for event in subscriber.seen if event.tenant_id == kit.info.id]


def test_events_come_in_order_with_items_and_once() -> None:
    kit = make_tenant()
    subscriber = Noted(types=("graph.",))
    start_here(subscriber)
    write(kit, ["a", "b", "c"])
    relay.drain([subscriber])
    relay.drain([subscriber])
    events = mine(subscriber, kit)
    assert [event.type for event in events] == ["graph.entities.upserted"] * 3
    assert [event.number for event in events] == sorted({event.number for event in events})
    assert [event.items[0][1].op for event in events] == ["created"] * 3
    assert events[0].event_ref(0) == str(events[0].number)


def test_a_poisoned_event_is_parked_and_the_rest_goes_on() -> None:
    kit = make_tenant()
    subscriber = Noted(types=("graph.",))
    start_here(subscriber)
    write(kit, ["a", "b", "c"])
    with tenant_scope(kit.info.id):
        numbers = [event.number for event in selectors.after_number(kit.info.id, 1)]
    subscriber.refuse = {numbers[1]}
    delivery = relay.Delivery(subscriber)
    for _ in range(40):
        try:
            if delivery.step() == 0:
                break
        except ValueError as error:
            delivery.failed(error)
    assert [event.number for event in mine(subscriber, kit)] == [numbers[0], numbers[2]]
    with system_scope("bus.relay"):
        parked = Parked.objects.get(subscriber=subscriber.name)
        assert selectors.parked_count() >= 1
    assert (parked.number, parked.tries, parked.state) == (numbers[1], relay.MAX_TRIES, "parked")
    assert "cannot take" in parked.error


def test_an_effect_and_its_cursor_are_one_transaction() -> None:
    kit = make_tenant()

    class HalfDone(Noted):
        def handle(self, batch: Sequence[Delivered]) -> None:
            Tenant.objects.filter(id=kit.info.id).update(name="half done")
            raise RuntimeError("after the effect")

    subscriber = HalfDone(types=("graph.",))
    start_here(subscriber)
    write(kit, ["a"])
    with pytest.raises(RuntimeError):
        relay.Delivery(subscriber).step()
    with system_scope("tenants.resolve"):
        assert Tenant.objects.get(id=kit.info.id).name == "Test tenant"


def test_two_relays_share_a_subscriber_without_doubling() -> None:
    kit = make_tenant()
    subscriber = Noted(types=("graph.",))
    start_here(subscriber)
    write(kit, [f"n{i}" for i in range(5)])
    with system_scope("bus.relay"), transaction.atomic(using="system"):
        Cursor.objects.select_for_update().get(subscriber=subscriber.name)
        import threading

        passed: list[int] = []

        def other() -> None:
            from django.db import connections

            passed.append(relay.Delivery(subscriber).step())
            connections.close_all()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join(timeout=10)
        assert passed == [0]
    relay.drain([subscriber])
    assert len(mine(subscriber, kit)) == 5


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("17", (17, -1)),
        ("17.3", (17, 3)),
        ("0", (0, -1)),
        ("", None),
        ("x", None),
        ("1.", None),
        (".1", None),
        ("-1", None),
        ("1.2.3", None),
        ("9" * 30, None),
        ("١", None),
        ("1e3", None),
    ],
)
def test_event_ids_are_read_strictly(text: str, meant: tuple[int, int] | None) -> None:
    assert parse_event_ref(text) == meant
