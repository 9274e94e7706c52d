"""Breadth-first searches over any adjacency: what both engines share, so that they cannot answer differently. No Django.

Each hop is one question to the engine, limited there, so that a hub costs no memory here. The order is fixed: hop by
hop, each by id.
"""

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

from apps.core.errors import NotFound, TooComplex
from apps.graph.traversal.port import Adjacency, Direction, Neighborhood, Path

MAX_MET = 100_000
"""Most entities that a path search looks at before it gives up."""


def neighborhood(
    graph: Adjacency,
    start: UUID,
    *,
    hops: int,
    direction: Direction,
    kinds: Sequence[str] | None,
    max_nodes: int,
    max_edges: int,
) -> Neighborhood:
    """Return what lies within `hops` of `start`; see the port."""
    if not graph.existing([start]):
        raise NotFound("no such entity", field="id")
    far = {start: 0}
    frontier = [start]
    cut: list[str] = []
    for hop in range(1, hops + 1):
        # One more than fits: the known ones among them are at most len(far), so one new one too many shows.
        found = graph.neighbours(frontier, direction=direction, kinds=kinds, limit=max_nodes + 1)
        fresh = [node for node in found if node not in far]
        room = max_nodes - len(far)
        if len(fresh) > room:
            cut.append(f"entities at hop {hop}: more than the limit of {max_nodes} in all")
        frontier = fresh[:room]
        far.update(dict.fromkeys(frontier, hop))
        if cut or not frontier:
            break
    nodes = list(far)
    edges = graph.among(nodes, kinds=kinds, limit=max_edges + 1)
    if len(edges) > max_edges:
        cut.append(f"edges: more than the limit of {max_edges}")
    return Neighborhood(nodes, list(far.values()), edges[:max_edges], tuple(cut))


class _Side:
    """One of the two searches that walk towards each other: its layers, nearest first."""

    def __init__(self, start: UUID, direction: Direction) -> None:
        self.direction = direction
        self.layers: list[set[UUID]] = [{start}]
        self.met = {start}

    @property
    def front(self) -> set[UUID]:
        return self.layers[-1]

    def widen(self, graph: Adjacency, kinds: Sequence[str] | None) -> None:
        found = graph.neighbours(sorted(self.front), direction=self.direction, kinds=kinds, limit=MAX_MET + 1)
        fresh = set(found) - self.met
        self.met |= fresh
        if len(found) > MAX_MET or len(self.met) > MAX_MET:
            raise TooComplex(
                f"the search met more than {MAX_MET} entities",
                mend="Ask for fewer hops, or for some kinds of edges only.",
            )
        self.layers.append(fresh)


def shortest_path(
    graph: Adjacency, source: UUID, target: UUID, *, max_hops: int, direction: Direction, kinds: Sequence[str] | None
) -> Path | None:
    """Return a shortest path of at most `max_hops`; see the port.

    Two searches walk towards each other, the narrower one first. Before either is widened, the engine is asked
    whether an edge joins the two already: a hub between them is then never opened.
    """
    known = graph.existing([source, target])
    for field, end in (("source", source), ("target", target)):
        if end not in known:
            raise NotFound("no such entity", field=field)
    if source == target:
        return Path([source], [])
    near, far = _Side(source, direction), _Side(target, direction.reversed)
    for _ in range(max_hops):
        last = graph.touching(near.front, far.front, direction=direction, kinds=kinds)
        if last:
            return _told(graph, near, far, last, direction, kinds)
        if len(near.layers) + len(far.layers) > max_hops:
            return None
        side = min(near, far, key=lambda s: len(s.front))
        side.widen(graph, kinds)
        if not side.front:
            return None
    return None


def _told(
    graph: Adjacency, near: _Side, far: _Side, last: set[UUID], direction: Direction, kinds: Sequence[str] | None
) -> Path:
    """Return the path with the smallest node ids through the layers; `last` are the near side's nodes that touch the far side."""
    # Of each near layer, only what lies on a shortest path.
    leading = [last]
    for layer in reversed(near.layers[:-1]):
        leading.append(graph.touching(layer, leading[-1], direction=direction, kinds=kinds))
    onward = [*reversed(leading), *reversed(far.layers)]
    nodes = [next(iter(onward[0]))]
    for layer in onward[1:]:
        nodes.append(min(graph.touching(layer, [nodes[-1]], direction=direction.reversed, kinds=kinds)))
    return Path(nodes, graph.joining(list(pairwise(nodes)), direction=direction, kinds=kinds))
