"""Following relations: what lies around an entity, the shortest path between two."""

from collections.abc import Sequence
from uuid import UUID

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.scope import require_tenant_id
from apps.core.statements import compose
from apps.graph import store
from apps.graph.selectors.entities import entities_by_ids
from apps.graph.traversal import Direction, Neighborhood, Path, Traversal
from apps.graph.traversal.engines import answer
from apps.graph.traversal.sql import SqlTraversal
from apps.graph.types import MAX_HOPS, MAX_SUBGRAPH, MAX_SUBGRAPH_EDGES, EdgeRow, SubgraphRows

MAX_KINDS = 100


def neighborhood(
    ctx: Context,
    *,
    id: UUID,
    hops: int = 1,
    kinds: Sequence[str] | None = None,
    first: int = 200,
    direction: str = "both",
) -> SubgraphRows:
    """Return what lies within `hops` (1 to 6) of an entity: the entity itself, then the others breadth first, by id.

    At most `first` entities (1 to 2,000, the entity itself counted) and 5,000 edges; `truncated` says that a limit
    cut, `cut` which, `engine` who answered. `kinds` limits which edges count, `direction` (out, in, both) which way they
    are followed; all edges of these kinds among the entities found are returned, by id. Raises InvalidInput for an
    argument out of range, NotFound when there is no such entity, TooComplex when it takes too long.
    """
    way, wanted = _direction(direction), _kinds(kinds)
    if not 1 <= hops <= MAX_HOPS:
        raise InvalidInput(f"hops must be 1 to {MAX_HOPS}", field="hops")
    if not 1 <= first <= MAX_SUBGRAPH:
        raise InvalidInput(f"first must be 1 to {MAX_SUBGRAPH}", field="first")

    def ask(port: Traversal) -> Neighborhood:
        return port.neighborhood(
            id, hops=hops, direction=way, kinds=wanted, max_nodes=first, max_edges=MAX_SUBGRAPH_EDGES
        )

    found, engine = answer(require_tenant_id(), ask)
    entities = entities_by_ids(ctx, found.nodes)
    # What was deleted between the search and here is left out.
    nodes = [entities[node] for node in found.nodes if node in entities]
    edges = [edge for edge in _edges(found.edges) if edge.source_id in entities and edge.target_id in entities]
    return SubgraphRows(nodes, edges, truncated=bool(found.cut), engine=engine, cut=found.cut)


def shortest_path(
    ctx: Context,
    *,
    source: UUID,
    target: UUID,
    max_hops: int = MAX_HOPS,
    kinds: Sequence[str] | None = None,
    direction: str = "both",
) -> SubgraphRows | None:
    """Return a shortest path of at most `max_hops` (1 to 6) edges, or None: nodes and edges in order from the source.

    Of several, the one with the smallest entity ids, then the smallest edge ids. Raises InvalidInput for an argument
    out of range, NotFound when an end does not exist, TooComplex when the search meets too many entities.
    """
    way, wanted = _direction(direction), _kinds(kinds)
    if not 1 <= max_hops <= MAX_HOPS:
        raise InvalidInput(f"maxHops must be 1 to {MAX_HOPS}", field="maxHops")

    def ask(port: Traversal) -> Path | None:
        return port.shortest_path(source, target, max_hops=max_hops, direction=way, kinds=wanted)

    found, engine = answer(require_tenant_id(), ask)
    for _ in range(2):
        if found is None:
            return None
        entities, edges = entities_by_ids(ctx, found.nodes), {edge.id: edge for edge in _edges(found.edges)}
        if len(entities) == len(found.nodes) and len(edges) == len(found.edges):
            break
        # Part of it was deleted meanwhile: the tables say what is left.
        port = SqlTraversal(require_tenant_id())
        found, engine = ask(port), port.engine
    else:
        return None
    return SubgraphRows(
        [entities[node] for node in found.nodes], [edges[edge] for edge in found.edges], truncated=False, engine=engine
    )


def _edges(ids: Sequence[UUID]) -> list[EdgeRow]:
    if not ids:
        return []
    rows = store.query(
        compose(
            "select {edge_columns} from graph_edge e where e.tenant_id = %s and e.id = any(%s) order by e.id",
            edge_columns=store.EDGE_COLUMNS,
        ),
        (require_tenant_id(), list(ids)),
    )
    return [store.edge_row(row) for row in rows]


def _direction(direction: str) -> Direction:
    try:
        return Direction(direction)
    except ValueError:
        raise InvalidInput("direction must be out, in or both", field="direction") from None


def _kinds(kinds: Sequence[str] | None) -> list[str] | None:
    if kinds is None:
        return None
    if len(kinds) > MAX_KINDS:
        raise InvalidInput(f"at most {MAX_KINDS} kinds", field="kinds")
    if any(not isinstance(kind, str) or "\x00" in kind or len(kind) > 100 for kind in kinds):
        raise InvalidInput("a kind is 1 to 100 characters without NUL", field="kinds")
    return sorted(set(kinds))
