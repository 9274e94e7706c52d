"""Traversal on PostgreSQL: one statement a hop, as the application role, over the covering indexes of both ends."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import OperationalError, connections, transaction
from psycopg.errors import QueryCanceled

from apps.core.errors import TooComplex
from apps.core.routers import write_alias
from apps.core.statements import compose
from apps.graph import store
from apps.graph.traversal import breadth_first
from apps.graph.traversal.port import Direction, Neighborhood, Path

TIMEOUT_S = 10
_FENCE = "offset 0"
"""Keeps the planner from walking the whole tenant in the wished order in the hope of an early match."""
_OUT, _IN = ("source_entity_id", "target_entity_id"), ("target_entity_id", "source_entity_id")
_ENDS: dict[Direction, tuple[tuple[str, str], ...]] = {
    Direction.OUT: (_OUT,),
    Direction.IN: (_IN,),
    Direction.BOTH: (_OUT, _IN),
}


class SqlTraversal:
    """The traversal port on the tables themselves: always up to date, always there."""

    engine: str = "sql"

    def __init__(self, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id

    def neighborhood(
        self,
        start: UUID,
        *,
        hops: int,
        direction: Direction = Direction.BOTH,
        kinds: Sequence[str] | None = None,
        max_nodes: int,
        max_edges: int,
    ) -> Neighborhood:
        """Answer as the port says."""
        with _bounded():
            return breadth_first.neighborhood(
                self, start, hops=hops, direction=direction, kinds=kinds, max_nodes=max_nodes, max_edges=max_edges
            )

    def shortest_path(
        self,
        source: UUID,
        target: UUID,
        *,
        max_hops: int,
        direction: Direction = Direction.BOTH,
        kinds: Sequence[str] | None = None,
    ) -> Path | None:
        """Answer as the port says."""
        with _bounded():
            return breadth_first.shortest_path(
                self, source, target, max_hops=max_hops, direction=direction, kinds=kinds
            )

    def existing(self, ids: Sequence[UUID]) -> set[UUID]:
        """Answer as `Adjacency` says."""
        return store.existing_entity_ids(self._tenant_id, ids)

    def neighbours(
        self, nodes: Sequence[UUID], *, direction: Direction, kinds: Sequence[str] | None, limit: int
    ) -> list[UUID]:
        """Answer as `Adjacency` says: each direction is one scan of its index; sorting and cutting happen there."""
        parts, params = [], []
        for near, far in _ENDS[direction]:
            where, given = self._edges(kinds, (near, nodes))
            # Each direction gives at most `limit`: the union of the smallest holds the smallest of the union.
            parts.append(
                compose(
                    "(select distinct id from (select e.{far} as id from graph_edge e where {where} {fence}) x"
                    " order by id limit %s)",
                    far=far,
                    where=where,
                    fence=_FENCE,
                )
            )
            params += [*given, limit]
        union = " union ".join(parts)
        return [
            row[0]
            for row in store.query(
                compose("select id from ({union}) n order by id limit %s", union=union), [*params, limit]
            )
        ]

    def touching(
        self,
        candidates: Collection[UUID],
        others: Collection[UUID],
        *,
        direction: Direction,
        kinds: Sequence[str] | None,
    ) -> set[UUID]:
        """Answer as `Adjacency` says."""
        parts, params = [], []
        for near, far in _ENDS[direction]:
            where, given = self._edges(kinds, (near, candidates), (far, others))
            parts.append(compose("select distinct e.{near} from graph_edge e where {where}", near=near, where=where))
            params += given
        return {row[0] for row in store.query(" union ".join(parts), params)}

    def among(self, nodes: Sequence[UUID], *, kinds: Sequence[str] | None, limit: int) -> list[UUID]:
        """Answer as `Adjacency` says."""
        where, params = self._edges(kinds, ("source_entity_id", nodes), ("target_entity_id", nodes))
        return [
            row[0]
            for row in store.query(
                compose(
                    "select id from (select e.id from graph_edge e where {where} {fence}) x order by id limit %s",
                    where=where,
                    fence=_FENCE,
                ),
                [*params, limit],
            )
        ]

    def joining(
        self, pairs: Sequence[tuple[UUID, UUID]], *, direction: Direction, kinds: Sequence[str] | None
    ) -> list[UUID]:
        """Answer as `Adjacency` says."""
        found = []
        for start, end in pairs:
            parts, params = [], []
            for near, far in _ENDS[direction]:
                where, given = self._edges(kinds, (near, [start]), (far, [end]))
                parts.append(compose("select e.id from graph_edge e where {where} {fence}", where=where, fence=_FENCE))
                params += given
            union = " union all ".join(f"({part})" for part in parts)
            found += [
                row[0]
                for row in store.query(compose("select id from ({union}) x order by id limit 1", union=union), params)
            ]
        return found

    def _edges(self, kinds: Sequence[str] | None, *ends: tuple[str, Collection[UUID]]) -> tuple[str, list[Any]]:
        """Return (condition, parameters) for edges `e` of these kinds whose ends are among the given entities."""
        where = "e.tenant_id = %s"
        params: list[Any] = [self._tenant_id]
        for column, ids in ends:
            where += f" and e.{column} = any(%s)"
            params.append(sorted(ids))
        if kinds is not None:
            where += " and e.kind = any(%s)"
            params.append(list(kinds))
        return where, params


@contextmanager
def _bounded() -> Iterator[None]:
    """Give each statement at most `TIMEOUT_S`, unless the caller's transaction has limits of its own. Raises TooComplex."""
    alias = write_alias()
    try:
        if connections[alias].in_atomic_block:
            yield
            return
        with transaction.atomic(using=alias):
            store.execute(f"set local statement_timeout = '{TIMEOUT_S}s'", ())
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooComplex(
                f"the search took longer than {TIMEOUT_S} s",
                mend="Ask for fewer hops, or for some kinds of edges only.",
            ) from error
        raise
