"""On the demo's graph, MITRE ATT&CK Enterprise as the product itself brings it in, both engines answer alike."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from apps.core.scope import no_scope, tenant_scope
from apps.graph import selectors, store
from apps.graph.neo4j_store import Neo4jGraph
from apps.graph.subscribers import Neo4jProjection
from apps.graph.traversal import Direction
from apps.graph.traversal.neo4j import Neo4jTraversal
from apps.graph.traversal.sql import SqlTraversal
from tests.conftest import TenantKit, make_tenant
from tests.connectors.graphs import ingest
from tests.graph.conftest import bring_up, in_neo4j, in_tables

pytestmark = [pytest.mark.slow, pytest.mark.neo4j, pytest.mark.timeout(900)]
FILE = Path(__file__).resolve().parents[2] / "fixtures/demo/alpha/attack-enterprise.stix.json.gz"


@dataclass(frozen=True)
class Attack:
    """The tenant that holds it, its entities' ids, its kinds of edges, its widest hubs."""

    kit: TenantKit
    ids: list[UUID]
    kinds: list[str]
    hubs: list[UUID]


@pytest.fixture(scope="module")
def attack(projector: Neo4jProjection) -> Iterator[Attack]:
    kit = make_tenant()
    with no_scope(), tenant_scope(kit.info.id):
        job = ingest(kit.ctx, "stix", FILE.read_bytes())
        assert job.state == "succeeded"
        bring_up(projector)
        tenant_id = kit.info.id
        ids = [
            row[0] for row in store.query("select id from graph_entity where tenant_id = %s order by id", (tenant_id,))
        ]
        kinds = [
            row[0]
            for row in store.query("select distinct kind from graph_edge where tenant_id = %s order by 1", (tenant_id,))
        ]
        hubs = [
            row[0]
            for row in store.query(
                "select target_entity_id from graph_edge where tenant_id = %s group by 1 order by count(*) desc, 1 limit 8",
                (tenant_id,),
            )
        ]
    yield Attack(kit, ids, kinds, hubs)
    with no_scope(), connections["owner"].cursor() as cursor:
        for table in ("graph_edge", "graph_entity", "graph_revision"):
            cursor.execute(f"delete from {table} where tenant_id = %s", (kit.info.id,))


def test_neo4j_holds_what_the_tables_hold(attack: Attack, neo4j: Neo4jGraph) -> None:
    with tenant_scope(attack.kit.info.id):
        tables = in_tables(attack.kit.info.id)
        assert len(tables.entities) + len(tables.relations) > 24_000
        assert in_neo4j(neo4j, attack.kit.info.id) == tables
        summary = selectors.stored_counts(attack.kit.ctx)
    assert summary == (len(tables.entities), len(tables.relations))


def questions(attack: Attack, chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Yield varied limits, depths, directions and kinds."""
    for _ in range(count):
        yield {
            "hops": chance.randint(1, 6),
            "direction": chance.choice(list(Direction)),
            "kinds": chance.choice([None, None, chance.sample(attack.kinds, 1), chance.sample(attack.kinds, 3)]),
            "max_nodes": chance.choice([1, 7, 50, 200, 2000]),
            "max_edges": chance.choice([3, 100, 5000]),
        }


def test_every_neighborhood_is_alike(attack: Attack, neo4j: Neo4jGraph) -> None:
    chance = random.Random(20261121)
    starts = attack.hubs + chance.sample(attack.ids, 150)
    cut = found = 0
    with tenant_scope(attack.kit.info.id):
        sql = SqlTraversal(attack.kit.info.id)
        for start in starts:
            for question in questions(attack, chance, 3):
                with neo4j.reading(attack.kit.info.id) as reader:
                    on_neo4j = Neo4jTraversal(reader).neighborhood(start, **question)
                assert on_neo4j == sql.neighborhood(start, **question), (start, question)
                cut += bool(on_neo4j.cut)
                found += len(on_neo4j.nodes) > 1
    # The questions were worth asking.
    assert cut > 50
    assert found > 150


def test_every_path_is_alike(attack: Attack, neo4j: Neo4jGraph) -> None:
    chance = random.Random(42)
    lengths: list[int] = []
    with tenant_scope(attack.kit.info.id):
        sql = SqlTraversal(attack.kit.info.id)
        for _ in range(120):
            source, target = chance.sample(attack.ids, 2)
            kinds = chance.choice([None, attack.kinds[1:], chance.sample(attack.kinds, 2)])
            direction = chance.choice([Direction.BOTH, Direction.BOTH, Direction.OUT, Direction.IN])
            with neo4j.reading(attack.kit.info.id) as reader:
                on_neo4j = Neo4jTraversal(reader).shortest_path(
                    source, target, max_hops=6, direction=direction, kinds=kinds
                )
            assert on_neo4j == sql.shortest_path(source, target, max_hops=6, direction=direction, kinds=kinds)
            lengths.append(len(on_neo4j.edges) if on_neo4j else 0)
    assert {0, 2} < set(lengths), lengths
