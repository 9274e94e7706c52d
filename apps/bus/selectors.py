"""Reads of the bus: recorded events in order, how far each subscriber is, what is parked."""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from uuid import UUID

import orjson

from apps.bus.models import Cursor, Parked
from apps.bus.types import Delivered
from apps.core.sockets import SUBSCRIBERS
from apps.ledger import selectors as ledger
from apps.ledger.types import LinkedRecord

MOST_ITEMS = 20_000


def delivered(rows: Sequence[LinkedRecord], *, with_items: bool) -> list[Delivered]:
    """Return the rows as subscribers see them, with their items where asked."""
    items = ledger.items_of_many([r.record_id for r in rows if r.item_count]) if with_items else {}
    found = []
    for row in rows:
        body = orjson.loads(row.body)
        found.append(
            Delivered(
                position=row.position,
                tenant_id=row.tenant_id,
                number=row.number,
                record_id=row.record_id,
                event_id=row.event_id,
                type=row.type,
                type_version=body["tv"],
                actor=row.actor,
                at=row.at,
                linked_at=row.linked_at,
                request_id=body["request"],
                data=body["data"],
                item_count=row.item_count,
                items=tuple(items.get(row.record_id, ())),
                hash=row.hash,
            )
        )
    return found


def after_position(position: int, *, limit: int, with_items: bool) -> list[Delivered]:
    """Return events of all tenants after `position` (system scope): at most `limit`.

    With items, fewer where they would be more than `MOST_ITEMS` together (one event at least): an ingest's records
    hold thousands each.
    """
    rows = ledger.delivered_after(position, limit=limit)
    if with_items:
        sizes = accumulate(row.item_count for row in rows)
        rows = [
            row for index, (row, size) in enumerate(zip(rows, sizes, strict=True)) if index == 0 or size <= MOST_ITEMS
        ]
    return delivered(rows, with_items=with_items)


def after_number(tenant_id: UUID, number: int, *, limit: int = 500, with_items: bool = True) -> list[Delivered]:
    """Return a tenant's events numbered above `number`, in order: what a client that resumes has missed."""
    return delivered(ledger.records(tenant_id, after=number, limit=limit), with_items=with_items)


def cursors() -> dict[str, int]:
    """Return the last position that each subscriber has applied (system scope)."""
    return dict(Cursor.objects.values_list("subscriber", "position"))


def behind(tenant_id: UUID, subscribers: Sequence[str]) -> dict[str, int]:
    """Return how many of the tenant's numbered events each of these subscribers has still to apply."""
    head = ledger.head(tenant_id)
    newest = head.number if head else 0
    positions = dict(Cursor.objects.filter(subscriber__in=subscribers).values_list("subscriber", "position"))
    return {
        name: max(0, newest - ledger.number_at(tenant_id, positions.get(name, 0))) if newest else 0
        for name in subscribers
    }


def parked_count() -> int:
    """Return how many events wait for someone to replay or drop them (system scope)."""
    return Parked.objects.filter(state=Parked.State.PARKED).count()


def lags() -> list[tuple[str, int, datetime | None]]:
    """Return (subscriber, events it is behind the newest of all tenants, when it last moved) (system scope).

    A subscriber that this release plugs and that has never run is behind by everything and has never moved.
    """
    newest = ledger.head_position()
    known = {row.subscriber: row for row in Cursor.objects.all()}
    names = sorted(known.keys() | {name for name, _ in SUBSCRIBERS.items()})
    return [
        (name, max(0, newest - known[name].position), known[name].updated_at) if name in known else (name, newest, None)
        for name in names
    ]
