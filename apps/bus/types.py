"""Words of the bus: events that apps emit, and what subscribers are handed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID

from apps.core.clock import iso
from apps.ledger.types import Appended, Item, LinkedRecord

Recorded = Appended
"""What `bus.services.record` returns."""


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events. A subclass sets `name` (`app.noun.past_verb`) and `version`, and adds its fields.

    Fields hold ids, hashes, counts and words of ours; never personal data. Values are str, int, bool, None, UUID,
    datetime, or tuples and dicts of these.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def to_data(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(part) for part in value)
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class Delivered:
    """A recorded, numbered event as a subscriber receives it. `hash` is its link's hash in the tenant's chain."""

    position: int
    tenant_id: UUID
    number: int
    record_id: int
    event_id: UUID
    type: str
    type_version: int
    actor: str
    at: datetime
    linked_at: datetime
    request_id: str
    data: dict[str, Any]
    item_count: int
    items: tuple[tuple[int, Item], ...] = ()
    hash: bytes = b""

    def event_ref(self, item_position: int) -> str:
        """Return the event id that clients see: `number`, or `number.position` within a batch."""
        return str(self.number) if self.item_count <= 1 else f"{self.number}.{item_position}"


class Subscriber(Protocol):
    """Reacts to events, idempotently: the same event may come twice.

    `types` are event names or prefixes ending in `.`; empty means all. `handle` runs in one transaction of the system
    role together with the cursor, so its effect on PostgreSQL happens once. A subscriber that keeps a store elsewhere
    may have a method `tend(position: int) -> bool` besides: it is called between deliveries, under the lock of the
    cursor, and returns whether it has more to do.
    """

    name: str
    types: tuple[str, ...]
    wants_items: bool

    def handle(self, batch: Sequence[Delivered]) -> None:
        """Apply the events in order.

        Raising makes the relay try again, and park the event after the last try; `bus.errors.StoreAway` makes it wait.
        """


def parse_event_ref(text: str) -> tuple[int, int] | None:
    """Return (number, item position) of an event id such as `17` or `17.3`, position -1 meaning all, or None."""
    number, _, position = text.partition(".")
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    if not position:
        return (int(number), -1) if "." not in text else None
    if not position.isascii() or not position.isdigit() or len(position) > 9:
        return None
    return int(number), int(position)


__all__ = ["Delivered", "Event", "Item", "LinkedRecord", "Recorded", "Subscriber", "parse_event_ref"]
