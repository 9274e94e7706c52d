"""Figures that are measured when somebody looks: queues, backlogs, ages. They belong to the installation, not to a process."""

from collections.abc import Callable, Iterable, Iterator

import redis
from django.conf import settings
from django.db import DatabaseError, connections
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import InfoMetricFamily, Metric

from apps.bus import selectors as bus
from apps.core import conf
from apps.core.context import service_context
from apps.core.errors import IgError
from apps.core.jobs import QUEUE, queue_length
from apps.core.scope import system_scope
from apps.core.telemetry import SERVICE_VERSION, get_logger
from apps.flags import selectors as flags
from apps.gateway.health import projection_lag
from apps.gateway.versions import API_VERSION
from apps.ledger import selectors as ledger

log = get_logger(__name__)

_OLDEST_TRANSACTION = (
    "select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0) from pg_stat_activity"
    " where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"
)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def _postgresql() -> Iterator[Metric]:
    with system_scope("core.metrics"):
        waiting = ledger.backlog()
        sequencer = ledger.sequencer_state()
        yield _gauge("ig_ledger_waiting_records", "Committed records that are not numbered yet", waiting.count)
        yield _gauge(
            "ig_ledger_waiting_age_seconds", "Age of the oldest record that is not numbered yet", waiting.oldest_s
        )
        if sequencer.age_s is not None:
            yield _gauge("ig_ledger_sequencer_idle_seconds", "Since the sequencer last looked", sequencer.age_s)
        yield _gauge(
            "ig_ledger_position", "Position of the newest numbered record of all tenants", ledger.head_position()
        )
        lag = GaugeMetricFamily(
            "ig_bus_lag_events", "Events that a subscriber is behind the newest", labels=["subscriber"]
        )
        for name, behind in projection_lag().items():
            lag.add_metric([name], behind)
        yield lag
        yield _gauge("ig_bus_parked_events", "Events that wait for somebody to replay or drop them", bus.parked_count())
        life = GaugeMetricFamily(
            "ig_flags_to_remove",
            "Flags that should go: expired, overdue (past the days of grace), stale",
            labels=["kind"],
        )
        for kind, number in flags.finding_counts(service_context("metrics")).items():
            life.add_metric([kind], number)
        yield life
        with connections["system"].cursor() as cursor:
            cursor.execute(_OLDEST_TRANSACTION)
            yield _gauge(
                "ig_database_oldest_transaction_seconds",
                "Age of the oldest open transaction",
                float(cursor.fetchone()[0]),
            )


def _redis() -> Iterator[Metric]:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    try:
        family = GaugeMetricFamily("ig_job_queue_length", "Background jobs that wait in the queue", labels=["queue"])
        family.add_metric([QUEUE], queue_length(client))
        yield family
    finally:
        client.close()


SOURCES: tuple[tuple[str, Callable[[], Iterable[Metric]]], ...] = (("postgresql", _postgresql), ("redis", _redis))


class Backlog:
    """A collector of `prometheus_client`. What cannot be measured is left out, and `ig_source_up` says so."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metric families as they are now."""
        yield InfoMetricFamily(
            "ig_build",
            "The release that runs",
            value={
                "version": SERVICE_VERSION,
                "api_version": API_VERSION,
                "mode": conf.get()["IG_MODE"],
                "region": conf.get().region,
            },
        )
        up = GaugeMetricFamily("ig_source_up", "1 when this part could be measured", labels=["source"])
        for name, source in SOURCES:
            try:
                families = list(source())
            except (DatabaseError, redis.RedisError, OSError, IgError) as error:
                log.warning("not measured", source=name, error=type(error).__name__)
                up.add_metric([name], 0)
                continue
            up.add_metric([name], 1)
            yield from families
        yield up
        for connection in connections.all(initialized_only=True):
            connection.close()
