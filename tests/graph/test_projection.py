"""Neo4j follows PostgreSQL: event by event, and back from whatever happens to it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from apps.bus import relay
from apps.bus import selectors as bus_selectors
from apps.bus import services as bus
from apps.bus.models import Cursor
from apps.core import sockets
from apps.core.clock import utc_now
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, system_scope, tenant_scope
from apps.graph import services
from apps.graph.errors import GraphAway, LeaseLost, SchemaDrift
from apps.graph.models import CypherMigration
from apps.graph.neo4j_store import Neo4jGraph, schema
from apps.graph.services.projecting import Projection
from apps.graph.subscribers import Neo4jProjection
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import TenantKit, make_tenant, sequence
from tests.graph.conftest import bring_up, in_neo4j, in_tables, own_name
from tests.graph.drawing import Drawn, draw

pytestmark = pytest.mark.neo4j
Project = Callable[[], None]


def write(graph: Neo4jGraph, statement: str, **params: Any) -> None:
    """Tamper with Neo4j past the product."""
    with graph.session() as session:
        session.run(statement, params).consume()


@pytest.fixture
def ring(tenant: TenantKit) -> Drawn:
    """Six entities in a ring."""
    names = "abcdef"
    return draw(tenant.ctx, list(names), [(a, "next", b) for a, b in zip(names, names[1:] + names[0], strict=True)])


def test_events_bring_neo4j_to_what_the_tables_hold(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project
) -> None:
    project()
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "a", name="changed"), EntityInput("Thing", "g")])
    services.upsert_edges(
        tenant.ctx,
        inputs=[
            EdgeInput("next", "e0", source_id=ring["c"], target_id=ring["b"]),
            EdgeInput("next", "e9", source_id=ring["a"], target_id=ring["a"]),
        ],
    )
    services.delete_entities(tenant.ctx, ids=[ring["d"]])
    project()
    found = in_neo4j(neo4j, tenant.info.id)
    assert found == in_tables(tenant.info.id)
    assert (len(found.entities), len(found.relations)) == (6, 5)


def test_applying_twice_changes_nothing(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    services.delete_entities(tenant.ctx, ids=[ring["f"]])
    project()
    before = in_neo4j(neo4j, tenant.info.id)
    with bus.holding(projector.name):
        batch = bus_selectors.after_number(tenant.info.id, 0, with_items=True)
        assert len(batch) == 4
        projector.handle(batch)
        write(neo4j, "MATCH (n:Entity {tenant: $t, id: $id}) DETACH DELETE n", t=str(tenant.info.id), id=str(ring["a"]))
        projector.handle(batch)  # as an operator replays a parked event
    assert in_neo4j(neo4j, tenant.info.id) == before == in_tables(tenant.info.id)


def test_an_older_version_does_not_replace_a_newer(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "a", name="second")])
    project()
    with neo4j.writing(projector.name) as writer, writer.transaction() as batch:
        batch.upsert_entities(tenant.info.id, [{"id": str(ring["a"]), "kind": "Old", "version": 1}])
        batch.upsert_relations(
            tenant.info.id,
            [
                {
                    "id": str(ring.edges[0]),
                    "kind": "old",
                    "version": 0,
                    "source": str(ring["a"]),
                    "target": str(ring["b"]),
                }
            ],
        )
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_an_edge_may_come_before_its_ends(
    tenant: TenantKit, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    a, b, edge = str(new_id()), str(new_id()), str(new_id())
    with neo4j.writing(projector.name) as writer:
        with writer.transaction() as batch:
            batch.upsert_relations(tenant.info.id, [{"id": edge, "kind": "k", "version": 1, "source": a, "target": b}])
        with writer.transaction() as batch:
            batch.upsert_entities(tenant.info.id, [{"id": a, "kind": "Thing", "version": 3}])
            batch.upsert_entities(tenant.info.id, [{"id": b, "kind": "Thing", "version": 1}])
    found = in_neo4j(neo4j, tenant.info.id)
    assert found.entities == [(a, "Thing", 3), (b, "Thing", 1)]
    assert found.relations == [(edge, "k", 1, a, b)]


def wipe(graph: Neo4jGraph, tenants: list[UUID], name: str) -> None:
    """Take everything that one projection has put into the shared server."""
    for tenant_id in tenants:
        write(graph, "MATCH (n:Entity {tenant: $t}) DETACH DELETE n", t=str(tenant_id))
    write(graph, "MATCH (g:Progress {name: $n}) DELETE g", n=name)
    write(graph, "MATCH (p:Projection {name: $n}) DELETE p", n=name)


def test_a_wiped_graph_rebuilds_by_itself(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    wipe(neo4j, [tenant.info.id], projector.name)
    project()  # nothing new happened: the relay's upkeep notices
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)
    wipe(neo4j, [tenant.info.id], projector.name)
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "h")])
    project()  # and so does the next event
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_a_graph_that_forgot_one_tenant_reads_it_anew(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project
) -> None:
    project()
    write(neo4j, "MATCH (n {tenant: $t}) DETACH DELETE n", t=str(tenant.info.id))
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "h")])
    project()
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_a_graph_that_was_set_back_catches_up(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    with neo4j.writing(projector.name) as writer:
        old, progress = writer.state, writer.progress(tenant.info.id)
    assert progress is not None
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "h")])
    services.delete_entities(tenant.ctx, ids=[ring["b"]])
    project()
    # As a dump restored from before: what came is gone, what went is back, and the marks are old.
    write(
        neo4j,
        "MATCH (n:Entity {tenant: $t}) WHERE n.id > $last DETACH DELETE n",
        t=str(tenant.info.id),
        last=str(ring["f"]),
    )
    write(
        neo4j,
        "CREATE (:Entity {tenant: $t, id: $id, kind: 'Thing', version: 1})",
        t=str(tenant.info.id),
        id=str(ring["b"]),
    )
    write(
        neo4j, "MATCH (p:Projection {name: $n}) SET p.position = $position, p.hash = $hash", n=projector.name,
        position=old.position, hash=old.hash,
    )  # fmt: skip
    project()
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)
    with neo4j.writing(projector.name) as writer:
        assert writer.state.rebuilding == ()  # it was replayed, not read anew


@pytest.mark.parametrize("mark", [{"hash": "00" * 32}, {"position": 10**15}])
def test_a_graph_of_another_history_is_read_anew(
    tenant: TenantKit,
    ring: Drawn,
    neo4j: Neo4jGraph,
    project: Project,
    projector: Neo4jProjection,
    mark: dict[str, Any],
) -> None:
    project()
    write(neo4j, "MATCH (p:Projection {name: $n}) SET p += $mark", n=projector.name, mark=mark)
    write(neo4j, "CREATE (:Entity {tenant: $t, id: $id, version: 1})", t=str(tenant.info.id), id=str(new_id()))
    write(
        neo4j, "MATCH (a:Entity {tenant: $t, id: $a}) CREATE (a)-[:RELATES {tenant: $t, id: $id, version: 1}]->(a)",
        t=str(tenant.info.id), a=str(ring["a"]), id=str(new_id()),
    )  # fmt: skip
    assert in_neo4j(neo4j, tenant.info.id) != in_tables(tenant.info.id)
    project()
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def rebuild_by_steps(projection: Projection, tenants: list[UUID] | None) -> int:
    """Rebuild as the command does; return how many chunks it took."""
    with bus.holding(projection.name) as position:
        projection.rebuild(position, tenants)
    steps, more = 0, True
    while more:
        with bus.holding(projection.name) as position:
            more = projection.tend(position)
        steps += 1
    return steps


def test_a_rebuild_goes_on_where_it_stopped(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    for spoiled in ("a", "c", "f"):
        write(
            neo4j,
            "MATCH (n:Entity {tenant: $t, id: $id}) DETACH DELETE n",
            t=str(tenant.info.id),
            id=str(ring[spoiled]),
        )
    first = Projection(neo4j, projector.name, chunk=2)
    with bus.holding(projector.name) as position:
        assert first.rebuild(position, [tenant.info.id]) == [tenant.info.id]
        assert first.tend(position) is True
    with neo4j.writing(projector.name) as writer:
        progress = writer.progress(tenant.info.id)
    assert progress is not None
    assert (progress.phase, progress.after) == ("nodes", str(ring["b"]))
    # Another process, asked to rebuild the same tenant, goes on rather than starting over.
    steps = rebuild_by_steps(Projection(neo4j, projector.name, chunk=2), [tenant.info.id])
    assert steps == 7  # c d, e f, none left; then three pairs of edges, none left
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_a_rebuild_sweeps_more_than_a_chunk(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    rogues = [str(new_id()) for _ in range(11)]
    write(
        neo4j, "UNWIND $ids AS id CREATE (:Entity {tenant: $t, id: id, version: 1})", t=str(tenant.info.id), ids=rogues
    )
    rebuild_by_steps(Projection(neo4j, projector.name, chunk=3), [tenant.info.id])
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_a_rebuild_while_writes_go_on(
    tenant: TenantKit, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    drawn = draw(
        tenant.ctx, [f"n{i:03}" for i in range(60)], [(f"n{i:03}", "k", f"n{(i * 7) % 60:03}") for i in range(60)]
    )
    project()
    errors: list[BaseException] = []
    over = threading.Event()

    def change() -> None:
        try:
            with tenant_scope(tenant.info.id):
                for round_ in range(12):
                    services.upsert_entities(
                        tenant.ctx,
                        inputs=[EntityInput("Thing", f"n{i:03}", name=str(round_)) for i in range(20, 60, 2)],
                    )
                    services.delete_entities(tenant.ctx, ids=[drawn[f"n{round_:03}"]])
                    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", f"late{round_}")])
        except BaseException as error:
            errors.append(error)
        finally:
            over.set()

    def deliver() -> None:
        delivery = relay.Delivery(projector)
        try:
            while not over.is_set():
                sequence()
                delivery.step()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=change), threading.Thread(target=deliver)]
    for thread in threads:
        thread.start()
    projection = Projection(neo4j, projector.name, chunk=5)
    while not over.is_set():
        rebuild_by_steps(projection, [tenant.info.id])
    for thread in threads:
        thread.join()
    assert errors == []
    project()
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_a_writer_that_was_overtaken_changes_nothing(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    with neo4j.writing(projector.name) as overtaken:
        with neo4j.writing(projector.name) as present, present.transaction() as batch:
            batch.upsert_entities(tenant.info.id, [])
        with pytest.raises(LeaseLost), overtaken.transaction() as batch:
            batch.delete(tenant.info.id, entities=[str(ring["a"])], relations=[])
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_schema_changes_are_recorded_on_both_sides(
    neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection
) -> None:
    project()
    with neo4j.writing(projector.name) as writer:
        graph_id = writer.state.graph_id
        in_graph = {row["name"]: row["checksum"] for row in writer.migrations()}
    with system_scope("graph.projection"):
        in_table = dict(CypherMigration.objects.filter(graph_id=graph_id).values_list("name", "checksum"))
    assert in_graph == in_table == {m.name: m.checksum for m in schema.read()}


def test_an_edited_schema_file_is_refused(
    neo4j: Neo4jGraph, project: Project, projector: Neo4jProjection, tmp_path: Path
) -> None:
    project()
    (tmp_path / "0001_keys.cypher").write_text("CREATE INDEX other IF NOT EXISTS FOR (n:Other) ON (n.id);")
    with neo4j.writing(projector.name) as writer, pytest.raises(SchemaDrift, match="0001_keys"):
        schema.migrate(writer, utc_now(), tmp_path)


def test_a_new_projection_starts_from_the_rows_not_from_the_first_event(
    tenant: TenantKit, ring: Drawn, neo4j: Neo4jGraph, graph_url: str
) -> None:
    sequence()
    late = Neo4jProjection(graph_url, own_name())
    write(neo4j, "MATCH (n {tenant: $t}) DETACH DELETE n", t=str(tenant.info.id))
    bring_up(late)
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)
    with neo4j.writing(late.name) as writer, system_scope("graph.projection"):
        assert writer.state.position == Cursor.objects.get(subscriber=late.name).position


def plugged(**environment: str) -> str:
    code = "import django; django.setup(); from apps.core import sockets; print([s.name for s in sockets.SUBSCRIBERS])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_without_an_address_nothing_is_plugged(graph_url: str) -> None:
    assert "graph.neo4j" not in sockets.SUBSCRIBERS
    assert "graph.neo4j" not in plugged()
    assert "graph.neo4j" in plugged(NEO4J_URL=graph_url)


def test_a_graph_that_is_away_says_so(tenant: TenantKit, ring: Drawn) -> None:
    sequence()
    nowhere = Neo4jProjection("bolt://neo4j:wrong@127.0.0.1:1", own_name())
    with pytest.raises(GraphAway):
        relay.drain([nowhere])


def test_a_wrong_password_is_waited_for_too(graph_url: str, tenant: TenantKit) -> None:
    sequence()
    address = graph_url.split("@")[1]
    with pytest.raises(GraphAway, match="Security"):
        relay.drain([Neo4jProjection(f"bolt://neo4j:wrong@{address}", own_name())])


def test_other_tenants_are_not_touched(outsider: TenantKit, neo4j: Neo4jGraph, projector: Neo4jProjection) -> None:
    here = make_tenant()
    with tenant_scope(outsider.info.id):
        draw(outsider.ctx, ["x", "y"], [("x", "k", "y")])
    with tenant_scope(here.info.id):
        draw(here.ctx, ["x", "y"], [("x", "k", "y")])
        bring_up(projector)
        before = in_neo4j(neo4j, outsider.info.id)
        write(neo4j, "MATCH (n:Entity {tenant: $t}) DETACH DELETE n", t=str(here.info.id))
        rebuild_by_steps(projector.projection, [here.info.id])
        assert in_neo4j(neo4j, here.info.id) == in_tables(here.info.id)
    assert in_neo4j(neo4j, outsider.info.id) == before
    assert len(before.entities) == 2
    assert PLATFORM_TENANT_ID not in {here.info.id, outsider.info.id}
