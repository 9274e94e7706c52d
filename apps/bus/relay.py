"""The relay: hands numbered events to subscribers, at least once, effects once; parks what poisons.

Each subscriber has a thread. The row of its cursor is the lock: with two relays, each batch is taken by one of them.
"""

import threading
import time
from collections.abc import Sequence

from django.db import DatabaseError, InterfaceError, close_old_connections, connections, transaction
from django.db.models.functions import Now
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from apps.bus import selectors
from apps.bus.errors import StoreAway
from apps.bus.models import Cursor, Parked
from apps.bus.types import Delivered, Subscriber
from apps.core.scope import system_scope
from apps.core.telemetry import continued, get_logger, recording, tracer
from apps.ledger import selectors as ledger

log = get_logger(__name__)
tracing = tracer(__name__)

MAX_TRIES = 5
BATCH = 500
TEND_EVERY_S = 5.0
AWAY_LOG_EVERY_S = 30.0

APPLIED = Counter("ig_bus_applied_total", "Events that a subscriber has applied", ["subscriber"])
PARKED = Counter("ig_bus_parked_total", "Events that a subscriber refused and that were parked", ["subscriber"])
RETRIED = Counter("ig_bus_retried_total", "Batches that a subscriber refused and that are tried again", ["subscriber"])
POSITION = Gauge(
    "ig_bus_position", "Last position that a subscriber has applied", ["subscriber"], multiprocess_mode="max"
)
BEHIND = Gauge(
    "ig_bus_behind_events",
    "Numbered events that a subscriber has still to apply",
    ["subscriber"],
    multiprocess_mode="mostrecent",
)
AWAY = Gauge(
    "ig_bus_store_away",
    "1 while the store that a subscriber writes to is away",
    ["subscriber"],
    multiprocess_mode="mostrecent",
)


def wanted(subscriber: Subscriber, event: Delivered) -> bool:
    """Return whether the subscriber asked for this type."""
    return not subscriber.types or any(
        event.type == name or (name.endswith(".") and event.type.startswith(name)) for name in subscriber.types
    )


class Delivery:
    """Brings one subscriber forward."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.failures = 0
        self.width = BATCH
        self._tend_at = 0.0
        self._log_away_at = 0.0
        for counter in (APPLIED, PARKED, RETRIED):
            counter.labels(subscriber.name)  # from 0, so that the first event is seen as an increase
        AWAY.labels(subscriber.name).set(0)

    def step(self) -> int:
        """Apply one batch; return how many events were passed (0: nothing new, or another relay is at it).

        Raises what the subscriber raises, after rolling its effect back.
        """
        with system_scope("bus.relay"), transaction.atomic(using="system"):
            position = self._lock()
            if position is None:
                return 0
            batch = selectors.after_position(position, limit=self.width, with_items=self.subscriber.wants_items)
            if not batch:
                BEHIND.labels(self.subscriber.name).set(0)
                return 0
            mine = [event for event in batch if wanted(self.subscriber, event)]
            if mine:
                causes = ledger.traces_of([event.record_id for event in mine]) if recording() else []
                parent, links = continued(causes)
                with tracing.start_as_current_span(
                    f"bus.deliver {self.subscriber.name}",
                    context=parent,
                    kind=SpanKind.CONSUMER,
                    links=links,
                    attributes={"ig.events": len(mine)},
                ):
                    self.subscriber.handle(mine)
            self._advance(batch[-1].position)
            head = ledger.head_position()
        self.failures = 0
        self._present()
        self.width = min(BATCH, self.width * 2)
        APPLIED.labels(self.subscriber.name).inc(len(mine))
        POSITION.labels(self.subscriber.name).set(batch[-1].position)
        BEHIND.labels(self.subscriber.name).set(head - batch[-1].position)
        return len(batch)

    def tend(self) -> bool:
        """Let the subscriber look after its store, under the lock of its cursor; return whether it has more to do.

        Only for subscribers with a method `tend(position)`, and every few seconds unless there is more to do. What
        goes wrong is logged and tried again later: no event is at fault.
        """
        tend = getattr(self.subscriber, "tend", None)
        if tend is None or time.monotonic() < self._tend_at:
            return False
        pause_s, more = TEND_EVERY_S, False
        try:
            with system_scope("bus.relay"), transaction.atomic(using="system"):
                position = self._lock()
                more = position is not None and bool(tend(position))
            self._present()
        except StoreAway as error:
            self._away(error)
            pause_s = error.retry_after_s
        except Exception as error:  # noqa: BLE001  whatever a subscriber raises must not end the relay
            log.error("a subscriber's upkeep failed", subscriber=self.subscriber.name, error=repr(error))
        self._tend_at = 0.0 if more else time.monotonic() + pause_s
        return more

    def failed(self, error: Exception) -> float:
        """Take note of a failed batch: narrow it to one event, park that after the last try. Returns a pause in s."""
        if isinstance(error, (InterfaceError, DatabaseError)) and not _connected():
            connections["system"].close()
            return 0.5
        if isinstance(error, StoreAway):
            self._away(error)
            return error.retry_after_s
        RETRIED.labels(self.subscriber.name).inc()
        if self.width > 1:
            self.width, self.failures = 1, 0
            return 0.0
        self.failures += 1
        log.warning(
            "subscriber refused an event", subscriber=self.subscriber.name, tries=self.failures, error=repr(error)
        )
        if self.failures >= MAX_TRIES:
            self._park(error)
            self.failures = 0
            return 0.0
        return min(5.0, 0.05 * 2**self.failures)

    def _away(self, error: StoreAway) -> None:
        AWAY.labels(self.subscriber.name).set(1)
        if time.monotonic() >= self._log_away_at:
            self._log_away_at = time.monotonic() + AWAY_LOG_EVERY_S
            log.warning("subscriber waits for its store", subscriber=self.subscriber.name, error=str(error))

    def _present(self) -> None:
        AWAY.labels(self.subscriber.name).set(0)
        self._log_away_at = 0.0

    def _park(self, error: Exception) -> None:
        with system_scope("bus.relay"), transaction.atomic(using="system"):
            position = self._lock()
            if position is None:
                return
            batch = selectors.after_position(position, limit=1, with_items=False)
            if not batch:
                return
            event = batch[0]
            Parked.objects.get_or_create(
                subscriber=self.subscriber.name,
                position=event.position,
                defaults={
                    "event_tenant_id": event.tenant_id,
                    "number": event.number,
                    "type": event.type,
                    "error": f"{type(error).__name__}: {error}"[:2000],
                    "tries": MAX_TRIES,
                },
            )
            self._advance(event.position)
        PARKED.labels(self.subscriber.name).inc()
        log.error("event parked", subscriber=self.subscriber.name, number=event.number, type=event.type)

    def _lock(self) -> int | None:
        Cursor.objects.get_or_create(subscriber=self.subscriber.name)
        row = Cursor.objects.select_for_update(skip_locked=True).filter(subscriber=self.subscriber.name).first()
        return row.position if row else None

    def _advance(self, position: int) -> None:
        Cursor.objects.filter(subscriber=self.subscriber.name).update(position=position, updated_at=Now())


def _connected() -> bool:
    try:
        return connections["system"].is_usable()
    except (DatabaseError, InterfaceError, AttributeError):
        return False


def run(subscriber: Subscriber, *, stop: threading.Event, woken: threading.Event, idle_s: float = 0.5) -> None:
    """Deliver to one subscriber until `stop`. Raises nothing: failures are counted, retried and parked."""
    delivery = Delivery(subscriber)
    while not stop.is_set():
        try:
            passed = delivery.step() or delivery.tend()
        except Exception as error:  # noqa: BLE001  whatever a subscriber raises must not end the relay
            stop.wait(delivery.failed(error))
            close_old_connections()
            continue
        if not passed:
            woken.wait(idle_s)
            woken.clear()


def drain(subscribers: Sequence[Subscriber]) -> int:
    """Bring the subscribers up to date in this thread, once; return how many events were passed (tests, rebuilds).

    Raises what a subscriber raises.
    """
    passed = 0
    for subscriber in subscribers:
        delivery = Delivery(subscriber)
        while step := delivery.step():
            passed += step
    return passed
