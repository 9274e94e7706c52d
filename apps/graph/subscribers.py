"""The graph's projections as subscribers: counts by kind, and Neo4j where it is configured."""

from collections.abc import Sequence

from apps.bus import selectors as bus
from apps.bus.types import Delivered
from apps.core import conf
from apps.core.sockets import SUBSCRIBERS
from apps.graph.neo4j_store import connect
from apps.graph.services import counting, projecting


class KindCounts:
    """Counts of entities and edges by kind; exactly once, since they share the cursor's transaction."""

    name = counting.NAME
    types: tuple[str, ...] = ("graph.",)
    wants_items = True

    def handle(self, batch: Sequence[Delivered]) -> None:
        """Count what the events created and deleted."""
        counting.count(batch)


class Neo4jProjection:
    """The graph in Neo4j. It takes every event, so that the graph's own position says exactly how far it is."""

    types: tuple[str, ...] = ()
    wants_items = True

    def __init__(self, url: str, name: str = projecting.NAME) -> None:
        self.name = name
        self._url = url
        self._projection: projecting.Projection | None = None

    @property
    def projection(self) -> projecting.Projection:
        """The projection; connected when it is first used, in the process that uses it."""
        if self._projection is None:
            self._projection = projecting.Projection(connect(self._url), self.name)
        return self._projection

    def handle(self, batch: Sequence[Delivered]) -> None:
        """Bring Neo4j up to date with what the events touched. Raises StoreAway when it does not answer."""
        self.projection.deliver(batch, bus.cursors().get(self.name, 0))

    def tend(self, position: int) -> bool:
        """Notice a graph that was wiped, set back or exchanged, and rebuild it chunk by chunk."""
        return self.projection.tend(position)


SUBSCRIBERS.plug(KindCounts.name, KindCounts())
if conf.get()["NEO4J_URL"]:
    SUBSCRIBERS.plug(projecting.NAME, Neo4jProjection(conf.get()["NEO4J_URL"]))
