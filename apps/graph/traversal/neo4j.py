"""Traversal on Neo4j: the same searches over the projection's relations."""

from collections.abc import Sequence
from uuid import UUID

from apps.graph.neo4j_store import Reader
from apps.graph.traversal import breadth_first
from apps.graph.traversal.port import Direction, Neighborhood, Path


class Neo4jTraversal:
    """The traversal port on the projection, within one reading transaction."""

    engine: str = "neo4j"

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

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
        """Answer as the port says. Raises GraphAway besides."""
        return breadth_first.neighborhood(
            self._reader, start, hops=hops, direction=direction, kinds=kinds, max_nodes=max_nodes, max_edges=max_edges
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
        """Answer as the port says. Raises GraphAway besides."""
        return breadth_first.shortest_path(
            self._reader, source, target, max_hops=max_hops, direction=direction, kinds=kinds
        )
