"""On any graph, both engines answer as a plain reading of the definition does."""

from itertools import pairwise, product
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.scope import tenant_scope
from apps.graph.neo4j_store import Neo4jGraph
from apps.graph.subscribers import Neo4jProjection
from apps.graph.traversal import Direction, Neighborhood, Path
from apps.graph.traversal.neo4j import Neo4jTraversal
from apps.graph.traversal.sql import SqlTraversal
from tests.conftest import make_tenant
from tests.graph.conftest import bring_up
from tests.graph.drawing import draw

NAMES = "abcdefgh"
Edge = tuple[str, str, str]

edges = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["x", "y"]), st.sampled_from(NAMES)), max_size=24)


class Plainly:
    """The definition, spelled out over a list of edges (id, source, kind, target)."""

    def __init__(self, nodes: list[UUID], edges: list[tuple[UUID, UUID, str, UUID]]) -> None:
        self.nodes = nodes
        self.edges = edges

    def steps(self, direction: Direction, kinds: list[str] | None) -> list[tuple[UUID, UUID, UUID]]:
        """(from, to, edge) of every step that may be taken."""
        wanted = [edge for edge in self.edges if kinds is None or edge[2] in kinds]
        out = [(source, target, id_) for id_, source, _, target in wanted]
        back = [(target, source, id_) for id_, source, _, target in wanted]
        return {Direction.OUT: out, Direction.IN: back, Direction.BOTH: out + back}[direction]

    def neighborhood(
        self, start: UUID, hops: int, direction: Direction, kinds: list[str] | None, most: int, most_edges: int
    ) -> Neighborhood:
        steps = self.steps(direction, kinds)
        far = {start: 0}
        cut: list[str] = []
        for hop in range(1, hops + 1):
            fresh = sorted({b for a, b, _ in steps if far.get(a) == hop - 1} - far.keys())
            if len(far) + len(fresh) > most:
                cut.append(f"entities at hop {hop}: more than the limit of {most} in all")
                fresh = fresh[: most - len(far)]
            far |= dict.fromkeys(fresh, hop)
            if cut:
                break
        among = sorted(
            id_ for id_, a, kind, b in self.edges if a in far and b in far and (kinds is None or kind in kinds)
        )
        if len(among) > most_edges:
            cut.append(f"edges: more than the limit of {most_edges}")
        return Neighborhood(list(far), list(far.values()), among[:most_edges], tuple(cut))

    def shortest_path(
        self, source: UUID, target: UUID, hops: int, direction: Direction, kinds: list[str] | None
    ) -> Path | None:
        steps = self.steps(direction, kinds)
        paths = [[source]]
        for _ in range(hops + 1):
            arrived = sorted(path for path in paths if path[-1] == target)
            if arrived:
                nodes = arrived[0]
                return Path(nodes, [min(e for a, b, e in steps if (a, b) == step) for step in pairwise(nodes)])
            paths = [[*path, b] for path in paths for b in sorted({b for a, b, _ in steps if a == path[-1]} - {*path})]
        return None


@pytest.mark.neo4j
@given(drawn_edges=edges, data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_engines_answer_as_defined(
    neo4j: Neo4jGraph, projector: Neo4jProjection, drawn_edges: list[Edge], data: st.DataObject
) -> None:
    tenant = make_tenant()
    with tenant_scope(tenant.info.id):
        drawn = draw(tenant.ctx, list(NAMES), drawn_edges)
        plain = Plainly(
            list(drawn.nodes.values()),
            [(id_, drawn[a], kind, drawn[b]) for id_, (a, kind, b) in zip(drawn.edges, drawn_edges, strict=True)],
        )
        bring_up(projector)
        kinds = data.draw(st.sampled_from([None, ["x"], ["x", "y"], []]))
        most = data.draw(st.integers(1, 9))
        most_edges = data.draw(st.integers(1, 25))
        hops = data.draw(st.integers(1, 6))
        for direction in Direction:
            with neo4j.reading(tenant.info.id) as reader:
                ports = (SqlTraversal(tenant.info.id), Neo4jTraversal(reader))
                for node, port in product(drawn.nodes.values(), ports):
                    assert plain.neighborhood(node, hops, direction, kinds, most, most_edges) == port.neighborhood(
                        node, hops=hops, direction=direction, kinds=kinds, max_nodes=most, max_edges=most_edges
                    )
                    assert plain.shortest_path(drawn["a"], node, hops, direction, kinds) == port.shortest_path(
                        drawn["a"], node, max_hops=hops, direction=direction, kinds=kinds
                    )
