"""Reading one tenant's graph: ids in, ids out."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from neo4j import Transaction

from apps.graph.neo4j_store import cypher
from apps.graph.neo4j_store.states import Progress
from apps.graph.traversal.port import Direction


def _texts(ids: Collection[UUID]) -> list[str]:
    return [str(id_) for id_ in ids]


class Reader:
    """Adjacency of one tenant within one transaction."""

    def __init__(self, transaction: Transaction, tenant_id: UUID) -> None:
        self._transaction = transaction
        self._tenant_id = str(tenant_id)

    def existing(self, ids: Sequence[UUID]) -> set[UUID]:
        """Answer as `Adjacency` says."""
        return set(self._ids(cypher.EXISTING, ids=_texts(ids)))

    def neighbours(
        self, nodes: Sequence[UUID], *, direction: Direction, kinds: Sequence[str] | None, limit: int
    ) -> list[UUID]:
        """Answer as `Adjacency` says."""
        return self._ids(cypher.NEIGHBOURS[direction], nodes=_texts(nodes), kinds=_listed(kinds), limit=limit)

    def touching(
        self,
        candidates: Collection[UUID],
        others: Collection[UUID],
        *,
        direction: Direction,
        kinds: Sequence[str] | None,
    ) -> set[UUID]:
        """Answer as `Adjacency` says, starting from the smaller side."""
        statements = cypher.TOUCHING_FROM_CANDIDATES if len(candidates) <= len(others) else cypher.TOUCHING_FROM_OTHERS
        return set(
            self._ids(statements[direction], candidates=_texts(candidates), others=_texts(others), kinds=_listed(kinds))
        )

    def among(self, nodes: Sequence[UUID], *, kinds: Sequence[str] | None, limit: int) -> list[UUID]:
        """Answer as `Adjacency` says."""
        return self._ids(cypher.AMONG, nodes=_texts(nodes), kinds=_listed(kinds), limit=limit)

    def joining(
        self, pairs: Sequence[tuple[UUID, UUID]], *, direction: Direction, kinds: Sequence[str] | None
    ) -> list[UUID]:
        """Answer as `Adjacency` says."""
        found: list[UUID] = []
        for start, end in pairs:
            found += self._ids(cypher.JOINING[direction], start=str(start), end=str(end), kinds=_listed(kinds))
        return found

    def progress(self, name: str) -> Progress | None:
        """Return how far the projection `name` is with this tenant, or None when it knows nothing of it."""
        rows = self._run(cypher.READ_PROGRESS, name=name)
        return Progress(rows[0]["number"], rows[0]["hash"], rows[0]["phase"], rows[0]["after"]) if rows else None

    def counts(self) -> tuple[int, int]:
        """Return how many entities and relations the graph holds of the tenant."""
        entities, relations = self._run(cypher.COUNT_ENTITIES), self._run(cypher.COUNT_RELATIONS)
        return int(entities[0]["count"]), int(relations[0]["count"])

    def _run(self, statement: str, **params: Any) -> list[dict[str, Any]]:
        result = self._transaction.run(statement, tenant=self._tenant_id, **params)
        return [record.data() for record in result]

    def _ids(self, statement: str, **params: Any) -> list[UUID]:
        return [UUID(row["id"]) for row in self._run(statement, **params) if row["id"] is not None]


def _listed(kinds: Sequence[str] | None) -> list[str] | None:
    return None if kinds is None else list(kinds)
