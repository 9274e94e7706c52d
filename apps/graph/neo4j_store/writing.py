"""Writing to the projection: under a lease, so that a writer that was overtaken changes nothing any more."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from neo4j import Session, Transaction

from apps.core.scope import PLATFORM_TENANT_ID
from apps.graph.errors import LeaseLost
from apps.graph.neo4j_store import cypher
from apps.graph.neo4j_store.states import Progress, State


class Writer:
    """Writes to one projection. Taking it takes the lease: whoever had it before fails at its next transaction."""

    def __init__(self, session: Session, name: str, timeout_s: float) -> None:
        self._session = session
        self._name = name
        self._timeout_s = timeout_s
        self._lease = str(uuid4())
        with session.begin_transaction(timeout=timeout_s) as transaction:
            rows = self._rows(transaction, PLATFORM_TENANT_ID, cypher.TAKE_LEASE, lease=self._lease)
            transaction.commit()
        self.state = _state(rows)

    def refresh(self) -> State:
        """Read the graph's state again, keep it as `state` and return it."""
        with self._session.begin_transaction(timeout=self._timeout_s) as transaction:
            self.state = _state(self._rows(transaction, PLATFORM_TENANT_ID, cypher.READ_STATE))
        return self.state

    @contextmanager
    def transaction(self) -> Iterator["Batch"]:
        """Yield a transaction that commits at the end of the block. Raises LeaseLost when another has the lease."""
        with self._session.begin_transaction(timeout=self._timeout_s) as transaction:
            held = self._rows(transaction, PLATFORM_TENANT_ID, cypher.HOLD_LEASE, lease=self._lease)
            if not held[0]["held"]:
                raise LeaseLost("another process took the projection over", retry_after_s=0.2)
            yield Batch(transaction, self._name)
            transaction.commit()

    def progress(self, tenant_id: UUID) -> Progress | None:
        """Return how far one tenant is, or None when the graph knows nothing of it."""
        with self._session.begin_transaction(timeout=self._timeout_s) as transaction:
            rows = self._rows(transaction, tenant_id, cypher.READ_PROGRESS)
        return Progress(rows[0]["number"], rows[0]["hash"], rows[0]["phase"], rows[0]["after"]) if rows else None

    def strangers(self, tenants: Sequence[UUID]) -> list[UUID]:
        """Return those tenants that the graph knows nothing of."""
        with self._session.begin_transaction(timeout=self._timeout_s) as transaction:
            return [tenant for tenant in tenants if not self._rows(transaction, tenant, cypher.READ_PROGRESS)]

    def known_tenants(self) -> list[UUID]:
        """Return every tenant that the graph has ever held something of."""
        with self._session.begin_transaction(timeout=self._timeout_s) as transaction:
            rows = self._rows(transaction, PLATFORM_TENANT_ID, cypher.READ_TENANTS)
        return [UUID(tenant) for tenant in rows[0]["tenants"]] if rows else []

    def migrations(self) -> list[dict[str, Any]]:
        """Return the schema changes that the graph says were applied to it: name, checksum, applied_at."""
        with self._session.begin_transaction(timeout=self._timeout_s) as transaction:
            return self._rows(transaction, PLATFORM_TENANT_ID, cypher.READ_MIGRATIONS)

    def change_schema(self, statement: str) -> None:
        """Run one schema statement in a transaction of its own (Neo4j keeps schema and data apart)."""
        self._session.run(statement).consume()

    def _rows(self, transaction: Transaction, tenant_id: UUID, statement: str, **params: Any) -> list[dict[str, Any]]:
        return Batch(transaction, self._name).rows(tenant_id, statement, **params)


class Batch:
    """Statements of one transaction. Every method takes the tenant first."""

    def __init__(self, transaction: Transaction, name: str) -> None:
        self._transaction = transaction
        self._name = name

    def rows(self, tenant_id: UUID, statement: str, **params: Any) -> list[dict[str, Any]]:
        """Run a statement of `cypher` for one tenant."""
        result = self._transaction.run(statement, tenant=str(tenant_id), name=self._name, **params)
        return [record.data() for record in result]

    def name_graph(self, graph_id: UUID) -> None:
        """Give a new graph its name."""
        self.rows(PLATFORM_TENANT_ID, cypher.NAME_GRAPH, graph_id=str(graph_id))

    def begin(
        self, *, position: int, hash_: str, numbers: Mapping[UUID, tuple[int, str]], tenants: Sequence[UUID]
    ) -> None:
        """Start over at `position`: every tenant is rebuilt; `numbers` are their heads (number, hash) there."""
        names = [str(tenant) for tenant in tenants]
        self.rows(PLATFORM_TENANT_ID, cypher.BEGIN, position=position, hash=hash_, rebuilding=names, tenants=names)
        for tenant_id in tenants:
            number, head = numbers.get(tenant_id, (0, ""))
            self.reach(tenant_id, number, head)
            self.start_rebuild(tenant_id)

    def advance(self, position: int, hash_: str, newcomers: Sequence[UUID]) -> None:
        """Say that every event up to `position` is in the graph."""
        self.rows(
            PLATFORM_TENANT_ID, cypher.ADVANCE, position=position, hash=hash_, newcomers=[str(t) for t in newcomers]
        )

    def reach(self, tenant_id: UUID, number: int, hash_: str) -> None:
        """Say which event of the tenant is the newest in the graph."""
        self.rows(tenant_id, cypher.REACH, number=number, hash=hash_)

    def set_rebuilding(self, tenants: Sequence[UUID]) -> None:
        """Say which tenants are being rebuilt, in order."""
        self.rows(PLATFORM_TENANT_ID, cypher.SET_REBUILDING, rebuilding=[str(tenant) for tenant in tenants])

    def start_rebuild(self, tenant_id: UUID) -> None:
        """Start the tenant's rebuild from its first entity."""
        self.rows(tenant_id, cypher.START_REBUILD)

    def step_rebuild(self, tenant_id: UUID, phase: str, after: str) -> None:
        """Say how far the tenant's rebuild is."""
        self.rows(tenant_id, cypher.STEP_REBUILD, phase=phase, after=after)

    def upsert_entities(self, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write entities (id, kind, version); an older version than the graph's changes nothing."""
        if rows:
            self.rows(tenant_id, cypher.UPSERT_ENTITIES, rows=rows)

    def upsert_relations(self, tenant_id: UUID, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write relations (id, kind, version, source, target); an older version than the graph's changes nothing."""
        if rows:
            self.rows(tenant_id, cypher.DELETE_MOVED_RELATIONS, rows=rows)
            self.rows(tenant_id, cypher.UPSERT_RELATIONS, rows=rows)

    def delete(self, tenant_id: UUID, *, entities: Sequence[str], relations: Sequence[str]) -> None:
        """Delete by id; what is not there is passed over."""
        if relations:
            self.rows(tenant_id, cypher.DELETE_RELATIONS, ids=relations)
        if entities:
            self.rows(tenant_id, cypher.DELETE_ENTITIES, ids=entities)

    def sweep(self, tenant_id: UUID, phase: str, *, after: str, upto: str, ids: Sequence[str], limit: int) -> int:
        """Delete what lies in (`after`, `upto`] and is not among `ids`, at most `limit`; return how many went."""
        statement = cypher.SWEEP_ENTITIES if phase == "nodes" else cypher.SWEEP_RELATIONS
        return int(self.rows(tenant_id, statement, after=after, upto=upto, ids=ids, limit=limit)[0]["swept"])

    def record_migration(self, name: str, checksum: str, applied_at: str) -> None:
        """Note a schema change in the graph itself."""
        self.rows(PLATFORM_TENANT_ID, cypher.RECORD_MIGRATION, migration=name, checksum=checksum, applied_at=applied_at)


def _state(rows: Sequence[Mapping[str, Any]]) -> State:
    row: Mapping[str, Any] = rows[0] if rows else {"graph_id": None, "position": None, "hash": "", "rebuilding": ()}
    return State(
        UUID(row["graph_id"]) if row["graph_id"] else None,
        row["position"],
        row["hash"] or "",
        tuple(UUID(tenant) for tenant in row["rebuilding"] or ()),
    )
