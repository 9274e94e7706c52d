"""Edges of kinds that must not form a cycle: what would close one is refused, by what the graph holds already."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar
from uuid import UUID

from apps.connectors import store
from apps.connectors.mapping.compiler import Mapped
from apps.connectors.types import RowError
from apps.core.context import Context
from apps.core.scope import require_tenant_id
from apps.graph import selectors as graph
from apps.graph.types import EdgeInput

MOST_ABOVE = 100_000
"""Entities looked at above the ends of one batch: a bound on time and memory, far beyond real hierarchies."""

Node = TypeVar("Node", bound=Hashable)
Up = dict[UUID, set[UUID]]


def without_knots(ctx: Context, mapped: Mapped, kinds: frozenset[str]) -> tuple[Mapped, list[RowError]]:
    """Return the edges that close no cycle within `kinds`, and an error for each other one. Inside a transaction."""
    if not kinds or not any(given.kind in kinds for given in mapped.inputs):
        return mapped, []
    concerned = [given for given in mapped.inputs if given.kind in kinds]
    ids = graph.entity_ids_by_keys(ctx, sorted({end for given in concerned for end in ends(given)}))
    above: dict[str, Up] = {}
    for kind in sorted({given.kind for given in concerned}):
        store.lock_hierarchy(require_tenant_id(), kind)
        targets = {ids[end] for given in concerned if given.kind == kind and (end := ends(given)[1]) in ids}
        above[kind] = _above(ctx, kind, targets)
    keep: list[int] = []
    knots: list[RowError] = []
    for index, given in enumerate(mapped.inputs):
        if given.kind in kinds:
            source, target = (ids.get(end) for end in ends(given))
            if source is not None and target is not None:
                if reaches(above[given.kind], target, source):
                    knots.append(knot(mapped.rows[index], given, mapped.parts[index]))
                    continue
                above[given.kind].setdefault(source, set()).add(target)
        keep.append(index)
    if not knots:
        return mapped, []
    kept = Mapped(
        [mapped.inputs[i] for i in keep],
        [mapped.rows[i] for i in keep],
        [mapped.parts[i] for i in keep],
        [mapped.soft[i] for i in keep],
        mapped.errors,
    )
    return kept, knots


def ends(given: EdgeInput) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return the keys of an edge's source and target."""
    return (given.source_kind, given.source_external_id), (given.target_kind, given.target_external_id)


def knot(row: int, given: EdgeInput, part: str) -> RowError:
    """Return the error of an edge that would close a cycle."""
    return RowError(
        row,
        "CYCLE",
        f"{given.kind} from {given.source_external_id!r} to {given.target_external_id!r} would close a cycle",
        "Remove the row, or the one that goes the other way; this kind of edge must not form a cycle.",
        part=part,
    )


def reaches(up: Mapping[Node, Collection[Node]], start: Node, goal: Node) -> bool:
    """Return whether `goal` is `start` or lies above it."""
    seen = {start}
    stack = [start]
    while stack:
        node = stack.pop()
        if node == goal:
            return True
        for above in up.get(node, ()):
            if above not in seen:
                seen.add(above)
                stack.append(above)
    return False


def _above(ctx: Context, kind: str, start: Iterable[UUID]) -> Up:
    """Return the edges of a kind that lead upward from `start`, as {entity: those directly above}."""
    up: Up = {}
    frontier = set(start)
    while frontier:
        found = graph.edges_of_many(ctx, sorted(frontier), direction="out", kind=kind, each=1_000)
        for entity, edges in found.items():
            up[entity] = {edge.target_id for edge in edges}
        frontier = {above for entity in found for above in up[entity]} - up.keys()
        if len(up) > MOST_ABOVE:
            break
    return up
