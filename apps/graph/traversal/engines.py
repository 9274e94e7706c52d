"""Which engine answers: Neo4j when its projection is fresh enough for the tenant, else SQL.

Fresh enough: the graph has applied all but at most `IG_NEO4J_MAX_LAG` of the tenant's events (default 0: readers see
their own writes), is not being rebuilt, and stands in the same history as the ledger. Failing any of this costs
speed, never rightness.
"""

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from prometheus_client import Counter, Histogram

from apps.core import conf
from apps.core.errors import NotFound
from apps.core.telemetry import get_logger
from apps.graph.errors import GraphAway
from apps.graph.neo4j_store import Progress, connect
from apps.graph.traversal.neo4j import Neo4jTraversal
from apps.graph.traversal.port import Traversal
from apps.graph.traversal.sql import SqlTraversal
from apps.ledger import selectors as ledger

T = TypeVar("T")
log = get_logger(__name__)

PROJECTION = "graph.neo4j"
REST_S = 5.0
"""After a failure Neo4j is left alone for so long: a server that hangs must not slow every question."""

SECONDS = Histogram(
    "ig_graph_traversal_duration_seconds",
    "Time that a traversal took, rows not included",
    ["engine"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PASSED_OVER = Counter(
    "ig_graph_neo4j_passed_over_total", "Traversals that SQL answered though Neo4j is configured", ["reason"]
)


class _Rest:
    """Until when Neo4j is left alone (seconds of the monotonic clock)."""

    until = 0.0


def staleness(tenant_id: UUID, progress: Progress | None, *, max_lag: int) -> str:
    """Return why the graph must not answer for the tenant, in a word; "" when it may."""
    if progress is None:
        return "unknown"
    if not progress.whole:
        return "rebuilding"
    head = ledger.head(tenant_id)
    lag = (head.number if head else 0) - progress.number
    if lag < 0:
        return "history"
    if lag + ledger.unnumbered(tenant_id) > max_lag:
        return "lag"
    if progress.number:
        record = ledger.record(tenant_id, progress.number) if lag else head
        if record is None or record.hash.hex() != progress.hash:
            return "history"
    return ""


def answer(tenant_id: UUID, ask: Callable[[Traversal], T]) -> tuple[T, str]:
    """Return (what `ask` gets from the port, name of the engine that answered).

    Raises what the port raises. "Not found" is SQL's to say: Neo4j may not know of the newest entities yet.
    """
    settings = conf.get()
    if settings["NEO4J_URL"]:
        reason = "resting"
        if time.monotonic() >= _Rest.until:
            try:
                with connect(settings["NEO4J_URL"]).reading(tenant_id) as reader:
                    reason = staleness(
                        tenant_id, reader.progress(PROJECTION), max_lag=int(settings["IG_NEO4J_MAX_LAG"])
                    )
                    if not reason:
                        return _timed(Neo4jTraversal(reader), ask)
            except NotFound:
                reason = "not found"
            except GraphAway as error:
                _Rest.until = time.monotonic() + REST_S
                reason = "away"
                log.warning("Neo4j did not answer; SQL does", error=str(error))
        PASSED_OVER.labels(reason).inc()
    return _timed(SqlTraversal(tenant_id), ask)


def _timed(traversal: Traversal, ask: Callable[[Traversal], T]) -> tuple[T, str]:
    started = time.perf_counter()
    found = ask(traversal)
    SECONDS.labels(traversal.engine).observe(time.perf_counter() - started)
    return found, traversal.engine
