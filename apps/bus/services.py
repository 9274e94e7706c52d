"""Verbs of the bus: record an event, run the relay's parts, settle parked events."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from opentelemetry.trace import SpanKind, get_current_span

from apps.bus import selectors, wake
from apps.bus.errors import StoreAway
from apps.bus.events import ParkedDropped, ParkedReplayed
from apps.bus.models import Cursor, Parked
from apps.bus.types import Event, Item, Recorded
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.core.sockets import SUBSCRIBERS, SocketError
from apps.core.telemetry import traceparent_now, tracer
from apps.core.values import altered
from apps.ledger import services as ledger
from apps.ledger.types import Entry

tracing = tracer(__name__)


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
    entry = Entry(
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
    if get_current_span().is_recording():
        with tracing.start_as_current_span(f"bus.record {event.name}", kind=SpanKind.PRODUCER):
            appended = ledger.append(altered(entry, trace=traceparent_now()))
    else:
        appended = ledger.append(entry)
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


def _parked(parked_id: int) -> Parked:
    """Lock a parked event. Raises NotFound, Conflict when it is settled."""
    row = Parked.objects.select_for_update().filter(id=parked_id).first()
    if row is None:
        raise NotFound("no such parked event")
    if row.state != Parked.State.PARKED:
        raise Conflict(f"it was {row.state} before", mend="There is nothing left to do.")
    return row


def _settle(ctx: Context, row: Parked, state: Parked.State, event: Event) -> None:
    row.state, row.settled_at = state, ctx.now
    row.save(update_fields=["state", "settled_at"])
    record(ctx, event, tenant_id=row.event_tenant_id)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed", field="reason")
    return reason.strip()


def replay_parked(ctx: Context, *, parked_id: int, reason: str) -> None:
    """Hand a parked event to its subscriber again, now, while no relay delivers to it.

    The effect, the state and the record (in the ledger of the event's tenant) commit together; when the subscriber
    refuses again nothing changes. Raises NotFound, InvalidInput without a reason, Conflict when it is settled, refused
    again or its subscriber is gone, Unavailable while the subscriber's store is away.
    """
    why = _reason(reason)
    with system_scope("bus.relay"):
        seen = Parked.objects.filter(id=parked_id).first()
    if seen is None:
        raise NotFound("no such parked event")
    try:
        subscriber = SUBSCRIBERS.get(seen.subscriber)
    except SocketError:
        raise Conflict(f"this release has no subscriber {seen.subscriber}", mend="Drop the event instead.") from None
    with holding(seen.subscriber):  # the cursor first, as a relay locks it
        row = _parked(parked_id)
        events = selectors.after_position(row.position - 1, limit=1, with_items=subscriber.wants_items)
        if not events or events[0].position != row.position:
            raise Conflict("the ledger does not hold the event at that position any more")
        try:
            subscriber.handle(events)
        except StoreAway as error:
            raise Unavailable(f"the subscriber's store is away: {error}", mend="Try again when it is back.") from error
        except Exception as error:  # whatever a subscriber raises is a refusal
            raise Conflict(
                f"{row.subscriber} refused it again: {type(error).__name__}: {error}"[:500],
                mend="Mend the cause first; nothing was changed.",
            ) from error
        _settle(
            ctx,
            row,
            Parked.State.REPLAYED,
            ParkedReplayed(row.id, row.subscriber, row.position, row.number, row.type, why),
        )


def drop_parked(ctx: Context, *, parked_id: int, reason: str) -> None:
    """Give a parked event up: its subscriber never gets it. The event itself stays in the ledger.

    Raises NotFound, InvalidInput without a reason, Conflict when it is settled.
    """
    why = _reason(reason)
    with system_scope("bus.relay"), transaction.atomic(using="system"):
        row = _parked(parked_id)
        _settle(
            ctx,
            row,
            Parked.State.DROPPED,
            ParkedDropped(row.id, row.subscriber, row.position, row.number, row.type, why),
        )
