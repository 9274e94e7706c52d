"""Ground of the graph's tests: a projection of this worker's own in the suite's real Neo4j."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from apps.bus import relay
from apps.core import conf
from apps.core.conf import Settings
from apps.core.ids import new_id
from apps.graph import store
from apps.graph.neo4j_store import Neo4jGraph
from apps.graph.selectors import summary
from apps.graph.subscribers import Neo4jProjection
from apps.graph.traversal import engines
from tests.conftest import sequence
from tests.embedded_services import services


@pytest.fixture(scope="session")
def graph_url() -> str:
    """Address of the suite's Neo4j, started by the first test that asks."""
    return services().neo4j_url()


@pytest.fixture(scope="session")
def neo4j(graph_url: str) -> Iterator[Neo4jGraph]:
    """The suite's Neo4j."""
    graph = Neo4jGraph(graph_url)
    yield graph
    graph.close()


def own_name() -> str:
    """A projection's name that no other worker has: they share one Neo4j, each with a database of its own."""
    return f"graph.neo4j.{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.{new_id().hex}"


@pytest.fixture(scope="session")
def projector(graph_url: str) -> Neo4jProjection:
    """The subscriber that keeps Neo4j."""
    return Neo4jProjection(graph_url, own_name())


def bring_up(projector: Neo4jProjection) -> None:
    """Number what was committed and let the subscriber apply it, rebuilds included."""
    sequence()
    delivery = relay.Delivery(projector)
    while delivery.step() or projector_tends(delivery):
        continue


def projector_tends(delivery: relay.Delivery) -> bool:
    """Let the subscriber tend its store now, whenever it last did."""
    delivery._tend_at = 0.0
    return delivery.tend()


@pytest.fixture
def project(projector: Neo4jProjection) -> Callable[[], None]:
    """Bring Neo4j up to date."""
    return lambda: bring_up(projector)


@pytest.fixture
def neo4j_configured(
    monkeypatch: pytest.MonkeyPatch, graph_url: str, projector: Neo4jProjection
) -> Callable[..., None]:
    """Return a function that makes the product use the suite's Neo4j (or another address), as NEO4J_URL would."""

    def configure(url: str = graph_url, max_lag: int = 0) -> None:
        settings = Settings({**conf.get().values, "NEO4J_URL": url, "IG_NEO4J_MAX_LAG": str(max_lag)})
        for module in (engines, summary):
            monkeypatch.setattr(module.conf, "get", lambda: settings)
        monkeypatch.setattr(engines, "PROJECTION", projector.name)
        monkeypatch.setattr(summary, "NEO4J", projector.name)
        monkeypatch.setattr(engines._Rest, "until", 0.0)

    return configure


@dataclass(frozen=True)
class Contents:
    """A tenant's graph as (id, kind, version) and (id, kind, version, source, target)."""

    entities: list[tuple[str, str, int]]
    relations: list[tuple[str, str, int, str, str]]


def in_neo4j(graph: Neo4jGraph, tenant_id: UUID) -> Contents:
    """Read a tenant's whole graph from Neo4j, past the product's own statements."""
    with graph.session() as session:
        entities = session.run(
            "MATCH (n:Entity {tenant: $t}) RETURN n.id, n.kind, n.version ORDER BY n.id", t=str(tenant_id)
        ).values()
        relations = session.run(
            "MATCH (a)-[r:RELATES {tenant: $t}]->(b) RETURN r.id, r.kind, r.version, a.id, b.id ORDER BY r.id",
            t=str(tenant_id),
        ).values()
    return Contents([tuple(row) for row in entities], [tuple(row) for row in relations])


def in_tables(tenant_id: UUID) -> Contents:
    """Read a tenant's whole graph from PostgreSQL (the tenant is in scope)."""
    entities = store.query(
        "select id::text, kind, version from graph_entity where tenant_id = %s order by id", (tenant_id,)
    )
    relations = store.query(
        "select id::text, kind, version, source_entity_id::text, target_entity_id::text from graph_edge"
        " where tenant_id = %s order by id",
        (tenant_id,),
    )
    return Contents(entities, relations)
