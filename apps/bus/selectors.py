"""Reads of the bus: recorded events in order, how far each subscriber is, what is parked."""

import orjson
from uuid import UUID
from collections.abc import Sequence

from apps.bus.models import Cursor, Parked
from apps.bus.types import Delivered
from apps.ledger import selectors as ledger
from apps.ledger.types import LinkedRecord


def delivered(rows: Sequence[LinkedRecord], *, with_items: bool) -> list[Delivered]:
    """Return the rows as subscribers see them, with their items where asked."""
    items = ledger.items_of_many([r.record_id for r in rows if r.item_count]) if with_items else {}
    found = []
    for row in rows:
        body = orjson.loads(row.body)
        found.append(
            Delivered(
                position=row.position, tenant_id=row.tenant_id, number=row.number, record_id=row.record_id,
                event_id=row.event_id, type=row.type, type_version=body["tv"], actor=row.actor, at=row.at,
                linked_at=row.linked_at, request_id=body["request"], data=body["data"], item_count=row.item_count,
                items=tuple(items.get(row.record_id, ())),
            )
        )
    return found


def after_position(position: int, *, limit: int, with_items: bool) -> list[Delivered]:
    """Return events of all tenants after `position` (system scope)."""
    return delivered(ledger.delivered_after(position, limit=limit), with_items=with_items)


def after_number(tenant_id: UUID, number: int, *, limit: int = 500, with_items: bool = True) -> list[Delivered]:
    """Return a tenant's events numbered above `number`, in order: what a client that resumes has missed."""
    return delivered(ledger.records(tenant_id, after=number, limit=limit), with_items=with_items)


def cursors() -> dict[str, int]:
    """Return the last position that each subscriber has applied (system scope)."""
    return dict(Cursor.objects.values_list("subscriber", "position"))


def parked_count() -> int:
    """Return how many events wait for someone to replay or drop them (system scope)."""
    return Parked.objects.filter(state=Parked.State.PARKED).count()
