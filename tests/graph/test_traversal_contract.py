"""One contract, two engines: every test here runs on SQL and on Neo4j."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from apps.core.errors import NotFound, TooComplex
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.graph import services
from apps.graph.neo4j_store import Neo4jGraph
from apps.graph.traversal import Direction, Neighborhood, Path, Traversal, breadth_first
from apps.graph.traversal.neo4j import Neo4jTraversal
from apps.graph.traversal.sql import SqlTraversal
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import TenantKit
from tests.graph.drawing import Drawn, draw

OUT, IN, BOTH = Direction.OUT, Direction.IN, Direction.BOTH
Ports = Callable[[UUID], Any]


@pytest.fixture(params=["sql", "neo4j"])
def port(request: pytest.FixtureRequest) -> Ports:
    """Return a function that opens the port of one tenant, after bringing the engine up to date."""
    if request.param == "sql":

        @contextmanager
        def on_sql(tenant_id: UUID) -> Iterator[Traversal]:
            yield SqlTraversal(tenant_id)

        return on_sql
    graph: Neo4jGraph = request.getfixturevalue("neo4j")
    project = request.getfixturevalue("project")

    @contextmanager
    def on_neo4j(tenant_id: UUID) -> Iterator[Traversal]:
        project()
        with graph.reading(tenant_id) as reader:
            yield Neo4jTraversal(reader)

    return on_neo4j


def around(
    port: Ports,
    tenant: TenantKit,
    start: UUID,
    hops: int = 1,
    *,
    direction: Direction = BOTH,
    kinds: list[str] | None = None,
    nodes: int = 200,
    edges: int = 1000,
) -> Neighborhood:
    with port(tenant.info.id) as traversal:
        return traversal.neighborhood(
            start, hops=hops, direction=direction, kinds=kinds, max_nodes=nodes, max_edges=edges
        )


def between(
    port: Ports,
    tenant: TenantKit,
    source: UUID,
    target: UUID,
    hops: int = 6,
    *,
    direction: Direction = BOTH,
    kinds: list[str] | None = None,
) -> Path | None:
    with port(tenant.info.id) as traversal:
        return traversal.shortest_path(source, target, max_hops=hops, direction=direction, kinds=kinds)


@pytest.fixture
def kite(tenant: TenantKit) -> Drawn:
    """a→b→c→d in a row with a short cut a→e→d, a dead end f, an island g."""
    return draw(
        tenant.ctx,
        "abcdefg",
        [
            ("a", "next", "b"),
            ("b", "next", "c"),
            ("c", "next", "d"),
            ("a", "cuts", "e"),
            ("e", "cuts", "d"),
            ("f", "next", "a"),
        ],
    )


def test_nodes_come_hop_by_hop_each_by_id(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    found = around(port, tenant, kite["a"], 2)
    assert kite.names(found.nodes) == ["a", "b", "e", "f", "c", "d"]
    assert found.hops == [0, 1, 1, 1, 2, 2]
    assert found.cut == ()


def test_edges_are_all_those_among_the_nodes_by_id(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    found = around(port, tenant, kite["a"], 2)
    assert found.edges == kite.edges  # c→d too, though nobody needs it to get there
    assert around(port, tenant, kite["a"], 1).edges == [kite.edges[0], kite.edges[3], kite.edges[5]]


@pytest.mark.parametrize(
    ("direction", "names"), [(OUT, ["a", "b", "e"]), (IN, ["a", "f"]), (BOTH, ["a", "b", "e", "f"])]
)
def test_direction(port: Ports, tenant: TenantKit, kite: Drawn, direction: Direction, names: list[str]) -> None:
    assert kite.names(around(port, tenant, kite["a"], direction=direction).nodes) == names


def test_kinds_limit_what_is_followed_and_what_is_returned(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    found = around(port, tenant, kite["a"], 6, kinds=["cuts"])
    assert kite.names(found.nodes) == ["a", "e", "d"]
    assert found.edges == [kite.edges[3], kite.edges[4]]
    assert kite.names(around(port, tenant, kite["a"], 6, kinds=["no such kind"]).nodes) == ["a"]
    assert kite.names(around(port, tenant, kite["a"], 6, kinds=[]).nodes) == ["a"]


def test_hops_end_where_the_graph_ends(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    assert kite.names(around(port, tenant, kite["g"], 6).nodes) == ["g"]
    assert len(around(port, tenant, kite["a"], 6).nodes) == 6


def test_a_limit_keeps_the_nearest_and_says_so(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    found = around(port, tenant, kite["a"], 2, nodes=5)
    assert kite.names(found.nodes) == ["a", "b", "e", "f", "c"]
    assert found.cut == ("entities at hop 2: more than the limit of 5 in all",)
    assert found.edges == [kite.edges[0], kite.edges[1], kite.edges[3], kite.edges[5]]
    assert around(port, tenant, kite["a"], 2, nodes=6).cut == ()
    assert around(port, tenant, kite["a"], 1, nodes=4).cut == ()
    alone = around(port, tenant, kite["a"], 1, nodes=1)
    assert (alone.nodes, alone.edges, len(alone.cut)) == ([kite["a"]], [], 1)


def test_a_limit_on_edges_keeps_the_first_and_says_so(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    found = around(port, tenant, kite["a"], 2, edges=4)
    assert found.edges == kite.edges[:4]
    assert found.cut == ("edges: more than the limit of 4",)
    assert around(port, tenant, kite["a"], 2, edges=6).cut == ()


def test_loops_parallels_and_cycles(port: Ports, tenant: TenantKit) -> None:
    knot = draw(
        tenant.ctx,
        "abc",
        [("a", "to", "a"), ("a", "to", "b"), ("a", "to", "b"), ("b", "to", "a"), ("b", "to", "c"), ("c", "to", "a")],
    )
    found = around(port, tenant, knot["a"], 6)
    assert knot.names(found.nodes) == ["a", "b", "c"]
    assert found.hops == [0, 1, 1]
    assert found.edges == knot.edges
    assert around(port, tenant, knot["a"], 6, direction=OUT).hops == [0, 1, 2]
    assert between(port, tenant, knot["a"], knot["b"]) == Path([knot["a"], knot["b"]], [knot.edges[1]])
    assert between(port, tenant, knot["b"], knot["a"], direction=OUT) == Path([knot["b"], knot["a"]], [knot.edges[3]])
    assert between(port, tenant, knot["a"], knot["a"]) == Path([knot["a"]], [])


def test_a_shortest_path(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    path = between(port, tenant, kite["f"], kite["d"])
    assert path is not None
    assert kite.names(path.nodes) == ["f", "a", "e", "d"]
    assert path.edges == [kite.edges[5], kite.edges[3], kite.edges[4]]


def test_a_path_backwards_needs_edges_that_lead_there(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    assert between(port, tenant, kite["d"], kite["f"], direction=OUT) is None
    path = between(port, tenant, kite["d"], kite["f"], direction=IN)
    assert path is not None
    assert kite.names(path.nodes) == ["d", "e", "a", "f"]
    assert between(port, tenant, kite["d"], kite["f"]) == path


def test_a_path_of_wanted_kinds_only(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    path = between(port, tenant, kite["a"], kite["d"], kinds=["next"])
    assert path is not None
    assert kite.names(path.nodes) == ["a", "b", "c", "d"]
    assert between(port, tenant, kite["a"], kite["d"], kinds=["other"]) is None


@pytest.mark.parametrize(("hops", "there"), [(1, False), (2, False), (3, True), (6, True)])
def test_a_path_is_no_longer_than_asked(port: Ports, tenant: TenantKit, kite: Drawn, hops: int, there: bool) -> None:
    assert (between(port, tenant, kite["f"], kite["d"], hops) is not None) is there


def test_no_path_to_an_island(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    assert between(port, tenant, kite["a"], kite["g"]) is None
    assert between(port, tenant, kite["g"], kite["a"]) is None


def test_of_several_paths_the_one_with_the_smallest_ids(port: Ports, tenant: TenantKit) -> None:
    # Both halves branch; the smallest first step leads to the larger second one.
    drawn = draw(
        tenant.ctx,
        ["s", "p", "q", "x", "y", "t"],
        [
            ("s", "k", "q"),
            ("s", "k", "p"),
            ("p", "k", "y"),
            ("q", "k", "x"),
            ("q", "k", "y"),
            ("x", "k", "t"),
            ("y", "k", "t"),
            ("s", "k", "p"),
        ],
    )
    path = between(port, tenant, drawn["s"], drawn["t"])
    assert path is not None
    assert drawn.names(path.nodes) == ["s", "p", "y", "t"]
    assert path.edges == [drawn.edges[1], drawn.edges[2], drawn.edges[6]]


def test_what_does_not_exist_is_not_found(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    with pytest.raises(NotFound):
        around(port, tenant, new_id())
    with pytest.raises(NotFound) as source:
        between(port, tenant, new_id(), kite["a"])
    with pytest.raises(NotFound) as target:
        between(port, tenant, kite["a"], new_id())
    assert (source.value.field, target.value.field) == ("source", "target")


def test_another_tenants_entities_do_not_exist(
    port: Ports, tenant: TenantKit, outsider: TenantKit, kite: Drawn
) -> None:
    with pytest.raises(NotFound):
        around(port, outsider, kite["a"])
    with pytest.raises(NotFound):
        between(port, outsider, kite["a"], kite["b"])


def test_deleted_entities_take_their_edges_along(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    services.delete_entities(tenant.ctx, ids=[kite["e"]])
    found = around(port, tenant, kite["a"], 6)
    assert kite.names(found.nodes) == ["a", "b", "f", "c", "d"]
    with pytest.raises(NotFound):
        around(port, tenant, kite["e"])


def test_an_edge_that_moved_is_followed_to_where_it_leads_now(port: Ports, tenant: TenantKit, kite: Drawn) -> None:
    moved = services.upsert_edges(
        tenant.ctx, inputs=[EdgeInput("cuts", "e3", source_id=kite["a"], target_id=kite["g"])]
    )
    assert (moved.updated, moved.rows[0].id) == (1, kite.edges[3])
    assert kite.names(around(port, tenant, kite["a"]).nodes) == ["a", "b", "f", "g"]
    assert kite.names(around(port, tenant, kite["e"]).nodes) == ["e", "d"]


def test_a_search_that_meets_too_many_gives_up(port: Ports, tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breadth_first, "MAX_MET", 3)
    star = draw(
        tenant.ctx,
        ["s", "m", *[f"l{n}" for n in range(4)], "o", "t"],
        [
            ("s", "k", "m"),
            *[("m", "k", f"l{n}") for n in range(4)],
            *[("t", "k", f"l{n}") for n in range(4)],
            ("t", "k", "o"),
        ],
    )
    with pytest.raises(TooComplex):
        between(port, tenant, star["s"], star["o"])
    assert between(port, tenant, star["s"], star["l2"]) is not None


@pytest.mark.slow
def test_a_hub_is_answered_within_its_limits(port: Ports, tenant: TenantKit) -> None:
    hub = services.upsert_entities(tenant.ctx, inputs=[EntityInput("Hub", "hub")]).rows[0].id
    leaves: list[UUID] = []
    for start in range(0, 20_000, 5_000):
        rows = services.upsert_entities(
            tenant.ctx, inputs=[EntityInput("Leaf", str(n)) for n in range(start, start + 5_000)]
        ).rows
        leaves += [row.id for row in rows]
        services.upsert_edges(tenant.ctx, inputs=[EdgeInput("to", source_id=hub, target_id=row.id) for row in rows])
    found = around(port, tenant, hub, 6, nodes=100, edges=50)
    assert found.nodes == [hub, *sorted(leaves)[:99]]
    assert found.cut == ("entities at hop 1: more than the limit of 100 in all", "edges: more than the limit of 50")
    path = between(port, tenant, leaves[17], leaves[9_999])
    assert path is not None
    assert path.nodes == [leaves[17], hub, leaves[9_999]]


def test_scopes_are_left_as_found(port: Ports, tenant: TenantKit, outsider: TenantKit, kite: Drawn) -> None:
    around(port, tenant, kite["a"], 2)
    with pytest.raises(Exception, match="another tenant"), tenant_scope(outsider.info.id):
        pass
