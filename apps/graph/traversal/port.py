"""The traversal port: what may be asked of a graph, whichever engine answers. No Django.

Both engines give ids only; the rows come from PostgreSQL, so the tenant's walls and the tags of the rows hold whoever
answered.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Direction(StrEnum):
    """Which way edges are followed."""

    OUT = "out"
    IN = "in"
    BOTH = "both"

    @property
    def reversed(self) -> "Direction":
        """The same edges followed from their other end."""
        return {Direction.OUT: Direction.IN, Direction.IN: Direction.OUT}.get(self, self)


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """What lies around an entity.

    `nodes`: the start, then the others breadth first, each hop in order of id; `hops` says how far each is away.
    `edges`: all edges of the wanted kinds with both ends among `nodes`, by id. `cut` names each limit that left
    something out, in words; empty when nothing was.
    """

    nodes: list[UUID]
    hops: list[int]
    edges: list[UUID]
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A shortest path: of all such paths the one with the smallest node ids, then, per step, the smallest edge id."""

    nodes: list[UUID]
    edges: list[UUID]


class Adjacency(Protocol):
    """What an engine must know of one tenant's graph for the searches of `breadth_first`.

    `kinds` limits which edges count (None: all). Results never repeat an id.
    """

    def existing(self, ids: Sequence[UUID]) -> set[UUID]:
        """Return which of these entities exist."""

    def neighbours(
        self, nodes: Sequence[UUID], *, direction: Direction, kinds: Sequence[str] | None, limit: int
    ) -> list[UUID]:
        """Return the `limit` smallest ids that an edge leads to from one of `nodes`, in order (a loop leads home)."""

    def touching(
        self,
        candidates: Collection[UUID],
        others: Collection[UUID],
        *,
        direction: Direction,
        kinds: Sequence[str] | None,
    ) -> set[UUID]:
        """Return those candidates that an edge leads from to one of `others`."""

    def among(self, nodes: Sequence[UUID], *, kinds: Sequence[str] | None, limit: int) -> list[UUID]:
        """Return the `limit` smallest ids of edges with both ends among `nodes`, in order."""

    def joining(
        self, pairs: Sequence[tuple[UUID, UUID]], *, direction: Direction, kinds: Sequence[str] | None
    ) -> list[UUID]:
        """Return for each (from, to) the smallest id of an edge that leads so; pairs without one are left out."""


class Traversal(Protocol):
    """The port. Every implementation answers every question alike, limits and order included."""

    engine: str

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
        """Return what lies within `hops` of `start`, at most `max_nodes` entities (the start is one) and edges.

        Raises NotFound when there is no such entity, TooComplex when the search takes too long.
        """

    def shortest_path(
        self,
        source: UUID,
        target: UUID,
        *,
        max_hops: int,
        direction: Direction = Direction.BOTH,
        kinds: Sequence[str] | None = None,
    ) -> Path | None:
        """Return a shortest path of at most `max_hops` edges, or None.

        Raises NotFound when an end does not exist, TooComplex when the search meets too many entities.
        """
