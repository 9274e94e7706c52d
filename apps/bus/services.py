"""Verbs of the bus: record an event, run the relay's parts, settle parked events."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.bus import wake
from apps.bus.models import Cursor
from apps.bus.types import Event, Item, Recorded
from apps.core.context import Context
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.ledger import services as ledger
from apps.ledger.types import Entry


def record(
    ctx: Context,
    event: Event,
    *,
    items: Sequence[Item] = (),
    sealed: dict[str, Any] | None = None,
    tenant_id: UUID | None = None,
) -> Recorded:
    """Record `event` in the caller's transaction: the event and its ledger entry are one row.

    It is the only way to emit an event, so none exists without its entry. Without a tenant in `ctx` (or as
    `tenant_id`) the platform's own ledger takes it. After commit the sequencer is woken; that is a courtesy, since
    it polls. Raises LedgerEncodingError for fields that a record cannot hold, TransactionManagementError outside a
    transaction.
    """
    appended = ledger.append(
        Entry(
            event_id=new_id(),
            tenant_id=tenant_id or ctx.tenant_id or PLATFORM_TENANT_ID,
            type=event.name,
            type_version=event.version,
            actor=ctx.actor.ref,
            at=ctx.now,
            request_id=ctx.request_id,
            data=event.to_data(),
            items=tuple(items),
            sealed=sealed or {},
        )
    )
    transaction.on_commit(wake.sequencer, using=write_alias(), robust=True)
    return appended


@contextmanager
def holding(subscriber: str) -> Iterator[int]:
    """Hold a subscriber's cursor in a transaction of the system role and yield its position.

    While it is held no relay delivers to that subscriber: for repairs that must not run beside a delivery. Waits for
    a delivery that is under way.
    """
    with system_scope("bus.relay"), transaction.atomic(using="system"):
        Cursor.objects.get_or_create(subscriber=subscriber)
        yield Cursor.objects.select_for_update().get(subscriber=subscriber).position
