"""Keeping Neo4j a projection of the graph: deliver events, catch up, rebuild. PostgreSQL is read, never written.

Whatever the event said, the rows as they stand now are what is written, by version: applying an event twice, late or
after its successor ends in the same graph. The graph itself says how far it is (`Projection`, `Progress`) and by the
ledger's hashes which history it follows. So one that was wiped, set back or filled by another database shows at once,
and is read anew from PostgreSQL, chunk by chunk, while events go on.

Callers hold the subscriber's cursor (the relay, or `bus.services.holding`): there is one writer. Should it be
overtaken all the same (its database connection died with the lock), the lease in the graph stops it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import Gauge

from apps.bus import selectors as bus
from apps.bus.types import Delivered
from apps.core import conf
from apps.core.clock import utc_now
from apps.core.errors import Conflict
from apps.core.telemetry import get_logger
from apps.graph.errors import GraphAway
from apps.graph.models import CypherMigration
from apps.graph.neo4j_store import Neo4jGraph, Writer, connect, schema
from apps.graph.neo4j_store.states import State
from apps.graph.selectors import projected
from apps.ledger import selectors as ledger
from apps.tenants import selectors as tenants

log = get_logger(__name__)

NAME = "graph.neo4j"
CHUNK = 5_000
CATCH_UP_BATCHES = 20
END = "\uffff"

REBUILDING = Gauge(
    "ig_graph_rebuilding_tenants",
    "Tenants whose projection is being rebuilt",
    ["projection"],
    multiprocess_mode="mostrecent",
)


@dataclass(slots=True)
class _Changed:
    """What a batch touched in one tenant, and the newest event of it."""

    entities: set[UUID] = field(default_factory=set)
    edges: set[UUID] = field(default_factory=set)
    first: int = 0
    number: int = 0
    hash: str = ""


class Projection:
    """One projection into one Neo4j. `name` is the subscriber's, and the graph's own record goes by it."""

    def __init__(self, graph: Neo4jGraph, name: str = NAME, *, chunk: int = CHUNK) -> None:
        self.graph = graph
        self.name = name
        self.chunk = chunk
        self._migrated = False
        self._told = "starting"

    def deliver(self, batch: Sequence[Delivered], position: int) -> None:
        """Apply a batch that follows `position`, the cursor; older events are looked at again. Raises GraphAway, LeaseLost."""
        with self.graph.writing(self.name) as writer:
            state = self._settled(writer, position)
            for tenant_id, changed in _touched([event for event in batch if event.position <= position]).items():
                self._write(writer, tenant_id, sorted(changed.entities), sorted(changed.edges))
            self._apply(writer, [event for event in batch if event.position > (state.position or 0)])
            self._rebuild_chunk(writer)

    def tend(self, position: int) -> bool:
        """Look after the graph between events: notice what happened to it, rebuild one chunk; return whether more is left."""
        with self.graph.writing(self.name) as writer:
            self._settled(writer, position)
            return self._rebuild_chunk(writer)

    def rebuild(self, position: int, wanted: Sequence[UUID] | None) -> list[UUID]:
        """Mark tenants (None: all) to be read anew; return all that are marked now. Those under way are left to go on."""
        with self.graph.writing(self.name) as writer:
            marked = list(self._settled(writer, position).rebuilding)
            every = (
                wanted
                if wanted is not None
                else sorted({t.id for t in tenants.everyone()} | set(writer.known_tenants()))
            )
            fresh = [tenant for tenant in every if tenant not in marked]
            with writer.transaction() as batch:
                batch.set_rebuilding([*marked, *fresh])
                for tenant in fresh:
                    batch.start_rebuild(tenant)
        return [*marked, *fresh]

    def told(self) -> str:
        """Return in words how far the rebuild is, as of the last chunk."""
        return self._told

    def held(self, tenant_id: UUID) -> tuple[int, int]:
        """Return how many entities and relations the graph holds of a tenant."""
        with self.graph.reading(tenant_id) as reader:
            return reader.counts()

    def _settled(self, writer: Writer, position: int) -> State:
        """Return the graph's state, after mending what does not fit the ledger at the cursor `position`."""
        state = writer.state
        if state.position is None or not self._migrated:
            self._migrate(writer, state)
        if state.position is None or not _ours(state):
            if state.position is not None:
                log.warning(
                    "the graph follows another history: rebuilding", projection=self.name, position=state.position
                )
            self._begin(writer, state)
        elif state.position < position:
            self._catch_up(writer, state.position, position)
        else:
            return state
        writer.refresh()
        return writer.state

    def _migrate(self, writer: Writer, state: State) -> None:
        now = utc_now()
        applied = schema.migrate(writer, now)
        graph_id = state.graph_id or uuid4()
        if state.graph_id is None:
            with writer.transaction() as batch:
                batch.name_graph(graph_id)
            writer.refresh()
        CypherMigration.objects.bulk_create(
            [
                CypherMigration(graph_id=graph_id, name=name, checksum=checksum, applied_at=at)
                for name, (checksum, at) in applied.items()
            ],
            ignore_conflicts=True,
        )
        self._migrated = True

    def _begin(self, writer: Writer, state: State) -> None:
        # Everything numbered by now is in the rows that will be read from now on.
        position = ledger.head_position()
        every = sorted({tenant.id for tenant in tenants.everyone()} | set(writer.known_tenants()))
        heads = {head.tenant_id: (head.number, head.hash.hex()) for head in ledger.heads()}
        with writer.transaction() as batch:
            batch.begin(position=position, hash_=_hash_at(position), numbers=heads, tenants=every)
        log.info("rebuilding the graph", projection=self.name, tenants=len(every), position=position)

    def _catch_up(self, writer: Writer, reached: int, position: int) -> None:
        """Apply what a graph that was set back has lost: the events between its position and the cursor's."""
        log.info(
            "the graph is older than its cursor: catching up", projection=self.name, reached=reached, position=position
        )
        for _ in range(CATCH_UP_BATCHES):
            batch = [e for e in bus.after_position(reached, limit=500, with_items=True) if e.position <= position]
            self._apply(writer, batch)
            reached = batch[-1].position
            if reached >= position:
                return
        raise GraphAway(f"catching up, at {reached} of {position}", retry_after_s=0.0)

    def _apply(self, writer: Writer, events: Sequence[Delivered]) -> None:
        if not events:
            return
        touched = _touched(events)
        strangers = writer.strangers(list(touched))
        for tenant_id, changed in touched.items():
            self._write(writer, tenant_id, sorted(changed.entities), sorted(changed.edges))
        # A tenant that the graph has forgotten though it is not new.
        lost = [tenant for tenant in strangers if touched[tenant].first > 1]
        with writer.transaction() as batch:
            for tenant_id, changed in touched.items():
                batch.reach(tenant_id, changed.number, changed.hash)
            if lost:
                batch.set_rebuilding([*writer.state.rebuilding, *(t for t in lost if t not in writer.state.rebuilding)])
                for tenant_id in lost:
                    batch.start_rebuild(tenant_id)
            batch.advance(events[-1].position, events[-1].hash.hex(), strangers)
        if lost:
            writer.refresh()

    def _write(self, writer: Writer, tenant_id: UUID, entities: list[UUID], edges: list[UUID]) -> None:
        """Bring these entities and edges to how they stand now: edges that went, entities that went, then the rest."""
        rows = projected.entities(tenant_id, entities)
        relations = projected.relations(tenant_id, edges)
        standing = {row["id"] for row in rows} | {row["id"] for row in relations}
        gone_entities = [str(id_) for id_ in entities if str(id_) not in standing]
        gone_edges = [str(id_) for id_ in edges if str(id_) not in standing]
        for start in range(0, len(gone_edges), self.chunk):
            with writer.transaction() as batch:
                batch.delete(tenant_id, relations=gone_edges[start : start + self.chunk], entities=[])
        for start in range(0, len(gone_entities), self.chunk):
            with writer.transaction() as batch:
                batch.delete(tenant_id, relations=[], entities=gone_entities[start : start + self.chunk])
        for start in range(0, max(len(rows), len(relations)), self.chunk):
            part = slice(start, start + self.chunk)
            with writer.transaction() as batch:
                batch.upsert_entities(tenant_id, rows[part])
                batch.upsert_relations(tenant_id, relations[part])

    def _rebuild_chunk(self, writer: Writer) -> bool:
        """Read the next chunk of the tenant that is being rebuilt; return whether anything is left to rebuild."""
        rebuilding = list(writer.state.rebuilding)
        REBUILDING.labels(self.name).set(len(rebuilding))
        if not rebuilding:
            return False
        tenant_id = rebuilding[0]
        progress = writer.progress(tenant_id)
        phase, after = (progress.phase, progress.after) if progress else ("nodes", "")
        rows: list[dict[str, Any]] = []
        if phase:
            read = projected.entities_after if phase == "nodes" else projected.relations_after
            rows = read(tenant_id, after, self.chunk)
        self._told = f"{len(rebuilding)} tenants left, {phase or 'done'} after {after or 'the first'} of {tenant_id}"
        upto = rows[-1]["id"] if len(rows) == self.chunk else END
        with writer.transaction() as batch:
            swept = 0
            if phase:
                swept = batch.sweep(
                    tenant_id, phase, after=after, upto=upto, ids=[row["id"] for row in rows], limit=self.chunk
                )
                (batch.upsert_entities if phase == "nodes" else batch.upsert_relations)(tenant_id, rows)
            if swept == self.chunk:
                return True  # more may lie in this range: the same range again
            if upto != END:
                batch.step_rebuild(tenant_id, phase, upto)
                return True
            if phase == "nodes":
                batch.step_rebuild(tenant_id, "edges", "")
                return True
            batch.step_rebuild(tenant_id, "", "")
            batch.set_rebuilding(rebuilding[1:])
        return len(rebuilding) > 1


def is_configured() -> bool:
    """Return whether a Neo4j is named in the settings."""
    return bool(conf.get()["NEO4J_URL"])


def configured() -> Projection:
    """Return the projection into the Neo4j that is configured. Raises Conflict when none is."""
    url = conf.get()["NEO4J_URL"]
    if not url:
        raise Conflict("NEO4J_URL is not set", mend="Set it to bolt://user:password@host:7687; until then SQL answers.")
    return Projection(connect(url))


def _touched(events: Sequence[Delivered]) -> dict[UUID, _Changed]:
    touched: dict[UUID, _Changed] = {}
    for event in events:
        changed = touched.setdefault(event.tenant_id, _Changed(first=event.number))
        changed.number, changed.hash = event.number, event.hash.hex()
        for _, item in event.items:
            if item.ref_kind == "entity":
                changed.entities.add(item.ref_id)
            elif item.ref_kind == "edge":
                changed.edges.add(item.ref_id)
    return touched


def _hash_at(position: int) -> str:
    found = ledger.delivered_after(position - 1, limit=1) if position else []
    return found[0].hash.hex() if found and found[0].position == position else ""


def _ours(state: State) -> bool:
    """Return whether the ledger has, at the graph's position, the record that the graph says it has applied."""
    return _hash_at(state.position or 0) == state.hash
