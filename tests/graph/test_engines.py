"""Which engine answers, and that the answer does not depend on it."""

import threading
from collections.abc import Callable
from uuid import UUID

import pytest

from apps.core.errors import InvalidInput, NotFound
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.graph import selectors, services
from apps.graph.neo4j_store import Neo4jGraph, Progress
from apps.graph.subscribers import Neo4jProjection
from apps.graph.traversal import engines
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import TenantKit, sequence
from tests.graph.drawing import Drawn, draw
from tests.graph.loopback import Forwarder

pytestmark = pytest.mark.neo4j
Configure = Callable[..., None]
Project = Callable[[], None]


@pytest.fixture
def chain(tenant: TenantKit) -> Drawn:
    """a→b→c."""
    return draw(tenant.ctx, list("abc"), [("a", "next", "b"), ("b", "next", "c")])


def engine_of(tenant: TenantKit, entity_id: UUID) -> str:
    found = selectors.neighborhood(tenant.ctx, id=entity_id, hops=2)
    assert len(found.nodes) == 3
    return found.engine


def test_without_an_address_sql_answers(tenant: TenantKit, chain: Drawn) -> None:
    assert engine_of(tenant, chain["a"]) == "sql"


def test_neo4j_answers_when_it_is_up_to_date(
    tenant: TenantKit, chain: Drawn, project: Project, neo4j_configured: Configure
) -> None:
    neo4j_configured()
    assert engine_of(tenant, chain["a"]) == "sql"  # nothing is numbered, nothing projected
    project()
    assert engine_of(tenant, chain["a"]) == "neo4j"
    path = selectors.shortest_path(tenant.ctx, source=chain["c"], target=chain["a"])
    assert path is not None
    assert path.engine == "neo4j"
    assert [node.name for node in path.nodes] == ["c", "b", "a"]
    assert [edge.id for edge in path.edges] == [chain.edges[1], chain.edges[0]]


def test_readers_see_their_own_writes(
    tenant: TenantKit, chain: Drawn, project: Project, neo4j_configured: Configure
) -> None:
    neo4j_configured()
    project()
    services.upsert_edges(tenant.ctx, inputs=[EdgeInput("next", source_id=chain["c"], target_id=chain["a"])])
    found = selectors.neighborhood(tenant.ctx, id=chain["a"])
    assert (found.engine, len(found.edges)) == ("sql", 3)  # not numbered yet
    sequence()
    found = selectors.neighborhood(tenant.ctx, id=chain["a"])
    assert (found.engine, len(found.edges)) == ("sql", 3)  # numbered, not projected yet
    project()
    found = selectors.neighborhood(tenant.ctx, id=chain["a"])
    assert (found.engine, len(found.edges)) == ("neo4j", 3)


def test_a_lag_within_the_bound_is_accepted_and_rows_come_from_the_tables(
    tenant: TenantKit, chain: Drawn, project: Project, neo4j_configured: Configure
) -> None:
    neo4j_configured(max_lag=2)
    project()
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "b", name="renamed", data_class="sensitive")])
    services.delete_entities(tenant.ctx, ids=[chain["c"]])
    sequence()
    found = selectors.neighborhood(tenant.ctx, id=chain["a"], hops=2)
    assert found.engine == "neo4j"
    assert [(node.name, node.data_class) for node in found.nodes] == [("a", "internal"), ("renamed", "sensitive")]
    assert [edge.id for edge in found.edges] == [chain.edges[0]]
    # A path through what was deleted is looked for again, where it is known.
    assert selectors.shortest_path(tenant.ctx, source=chain["a"], target=chain["b"]) is not None
    with pytest.raises(NotFound):
        selectors.shortest_path(tenant.ctx, source=chain["a"], target=chain["c"])
    new = services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "new")]).rows[0].id
    assert [node.id for node in selectors.neighborhood(tenant.ctx, id=new).nodes] == [new]
    assert engine_of_single(tenant, chain["a"]) == "sql"  # three behind by now


def engine_of_single(tenant: TenantKit, entity_id: UUID) -> str:
    return selectors.neighborhood(tenant.ctx, id=entity_id).engine


def test_staleness_names_its_reason(
    tenant: TenantKit, chain: Drawn, project: Project, neo4j: Neo4jGraph, projector: Neo4jProjection
) -> None:
    project()
    tenant_id = tenant.info.id
    with neo4j.reading(tenant_id) as reader:
        good = reader.progress(projector.name)
    assert good is not None
    assert engines.staleness(tenant_id, good, max_lag=0) == ""
    assert engines.staleness(tenant_id, None, max_lag=9) == "unknown"
    assert engines.staleness(tenant_id, Progress(good.number, good.hash, "edges", ""), max_lag=9) == "rebuilding"
    assert engines.staleness(tenant_id, Progress(good.number + 1, good.hash, "", ""), max_lag=9) == "history"
    assert engines.staleness(tenant_id, Progress(good.number, "00" * 32, "", ""), max_lag=9) == "history"
    assert engines.staleness(tenant_id, Progress(good.number - 1, good.hash, "", ""), max_lag=0) == "lag"
    assert engines.staleness(tenant_id, Progress(good.number - 1, good.hash, "", ""), max_lag=9) == "history"


def test_sql_answers_while_neo4j_is_away_and_neo4j_again_when_it_is_back(
    tenant: TenantKit, chain: Drawn, project: Project, neo4j_configured: Configure, graph_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    with Forwarder.to(graph_url) as wire:
        neo4j_configured(wire.url)
        project()
        assert engine_of(tenant, chain["a"]) == "neo4j"
        wire.cut()
        assert engine_of(tenant, chain["a"]) == "sql"
        wire.mend()
        assert engine_of(tenant, chain["a"]) == "sql"  # it is left alone for some seconds
        monkeypatch.setattr(engines._Rest, "until", 0.0)
        assert engine_of(tenant, chain["a"]) == "neo4j"


def test_both_engines_serve_the_same_rows(
    tenant: TenantKit, chain: Drawn, project: Project, neo4j_configured: Configure
) -> None:
    on_sql = selectors.neighborhood(tenant.ctx, id=chain["b"], hops=3)
    project()
    neo4j_configured()
    on_neo4j = selectors.neighborhood(tenant.ctx, id=chain["b"], hops=3)
    assert (on_sql.engine, on_neo4j.engine) == ("sql", "neo4j")
    assert (on_sql.nodes, on_sql.edges, on_sql.truncated) == (on_neo4j.nodes, on_neo4j.edges, on_neo4j.truncated)


def test_another_tenant_sees_nothing_on_either(
    tenant: TenantKit, outsider: TenantKit, chain: Drawn, project: Project, neo4j_configured: Configure
) -> None:
    project()
    seen: list[object] = []

    def look() -> None:
        with tenant_scope(outsider.info.id):
            for configured in (False, True):
                if configured:
                    neo4j_configured()
                try:
                    seen.append(selectors.neighborhood(outsider.ctx, id=chain["a"]))
                except NotFound as error:
                    seen.append(error.code)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == ["NOT_FOUND", "NOT_FOUND"]


def test_what_was_cut_is_said(tenant: TenantKit, chain: Drawn) -> None:
    found = selectors.neighborhood(tenant.ctx, id=chain["a"], hops=2, first=2)
    assert found.truncated
    assert found.cut == ("entities at hop 2: more than the limit of 2 in all",)
    assert not selectors.neighborhood(tenant.ctx, id=chain["a"], hops=2, first=3).truncated


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("hops", {"hops": 0}), ("hops", {"hops": 7}), ("first", {"first": 0}), ("first", {"first": 2001}),
        ("direction", {"direction": "up"}), ("kinds", {"kinds": ["a\x00b"]}), ("kinds", {"kinds": ["k"] * 101}),
        ("kinds", {"kinds": [7]}),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_refused_by_name(tenant: TenantKit, field: str, arguments: dict) -> None:
    with pytest.raises(InvalidInput) as refused:
        selectors.neighborhood(tenant.ctx, id=new_id(), **arguments)
    assert refused.value.field == field


@pytest.mark.parametrize("hops", [0, 7])
def test_a_path_has_bounds_too(tenant: TenantKit, hops: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        selectors.shortest_path(tenant.ctx, source=new_id(), target=new_id(), max_hops=hops)
    assert refused.value.field == "maxHops"
