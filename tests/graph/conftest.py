"""Ground of the graph's tests: a projection of this worker's own in the suite's real Neo4j."""

import os
from collections.abc import Callable, Iterator

import pytest

from apps.bus import relay
from apps.core.ids import new_id
from apps.graph.neo4j_store import Neo4jGraph
from apps.graph.subscribers import Neo4jProjection
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


@pytest.fixture(scope="session")
def projector(graph_url: str) -> Neo4jProjection:
    """The subscriber, under a name of this worker's own: workers share one Neo4j, each with a database of its own."""
    return Neo4jProjection(graph_url, f"graph.neo4j.{os.environ.get('PYTEST_XDIST_WORKER', 'main')}.{new_id().hex}")


def bring_up(projector: Neo4jProjection) -> None:
    """Number what was committed and let the subscriber apply it, rebuilds included."""
    sequence()
    delivery = relay.Delivery(projector)
    while delivery.step() or delivery.tend():
        continue


@pytest.fixture
def project(projector: Neo4jProjection) -> Callable[[], None]:
    """Bring Neo4j up to date."""
    return lambda: bring_up(projector)
