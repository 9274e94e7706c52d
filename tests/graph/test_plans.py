"""Every read that the doors offer is served by an index, as the application role, for a tenant with most of the rows.

What PostgreSQL really did is counted, inside functions too: no sequential scan of a graph table, and no index walked
from end to end.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections, transaction

from apps.core.context import Context
from apps.core.scope import no_scope, tenant_scope
from apps.graph import cursors, selectors, services, store
from apps.graph.traversal import Direction
from apps.graph.traversal.sql import SqlTraversal
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import TenantKit, make_tenant
from tests.graph.crowd import ENTITIES, HUB_EDGES, OTHERS, Crowd

pytestmark = pytest.mark.slow
TABLES = ["graph_entity", "graph_edge", "graph_revision", "graph_kind_count"]
FEW = 45_000
"""Most rows, or entries of indexes read alone, that one call may look at: a count stops at 10,000 matches, and a third
of the rows match the widest filters."""
SCANNED = """
select coalesce(sum(pg_stat_get_xact_numscans(c.oid)) filter (where c.relkind = 'r'), 0),
  coalesce(sum(pg_stat_get_xact_tuples_returned(c.oid)) filter (where c.relkind = 'i'), 0),
  coalesce(sum(pg_stat_get_xact_tuples_fetched(c.oid)), 0)
from pg_class c left join pg_index i on i.indexrelid = c.oid
where c.relname = any(%s) or i.indrelid = any(select oid from pg_class where relname = any(%s))
"""


@dataclass(frozen=True)
class Big:
    """The crowded tenant, with the means to act in it."""

    kit: TenantKit
    crowd: Crowd

    @property
    def ctx(self) -> Context:
        return self.kit.ctx


@pytest.fixture(scope="module")
def filled() -> Iterator[Big]:
    kit = make_tenant()
    # The others have no source and no licence, as none in the crowd: what is common elsewhere is rare here.
    crowd, others = Crowd(kit.info.id), Crowd(make_tenant().info.id, tagged=False)
    try:
        others.fill(OTHERS)
        crowd.fill()
        yield Big(kit, crowd)
    finally:
        crowd.clear()
        others.clear()


@pytest.fixture
def big(filled: Big) -> Iterator[Big]:
    with tenant_scope(filled.kit.info.id):
        yield filled


@dataclass(frozen=True)
class Cost:
    """What a read made PostgreSQL do: sequential scans of graph tables, index entries read, rows fetched by them."""

    scans: int
    entries: int
    rows: int


def so_far() -> Cost:
    """What this transaction has cost so far."""
    return Cost(*map(int, store.query(SCANNED, (TABLES, TABLES))[0]))


def cost(read: Callable[[], Any]) -> tuple[Any, Cost]:
    """Run a read as the application role, roll it back; return its result and what it cost."""
    with transaction.atomic():
        assert store.query("select current_user", ()) == [("ig_app",)]
        # What parallel workers do is not in this session's figures.
        store.execute("set local max_parallel_workers_per_gather = 0", ())
        before = so_far()
        result = read()
        after = so_far()
        transaction.set_rollback(True)
    return result, Cost(after.scans - before.scans, after.entries - before.entries, after.rows - before.rows)


def assert_indexed(read: Callable[[], Any], rows: int = FEW, entries: int | None = None) -> Any:
    """Assert that no graph table was scanned and no more than so many rows and index entries were looked at."""
    result, found = cost(read)
    assert found.scans == 0, f"{found.scans} sequential scans of graph tables"
    assert found.rows <= rows, f"{found.rows} rows fetched"
    assert found.entries <= (entries or rows), f"{found.entries} index entries read"
    return result


def test_the_measure_notices_a_scan(big: Big) -> None:
    whole = "select count(name) from graph_entity where tenant_id = %s and content_hash = '\\x01'"
    _, scanning = cost(lambda: store.query(whole, (big.kit.info.id,)))
    assert scanning.scans > 0 or scanning.rows >= ENTITIES
    with transaction.atomic():
        store.execute("set local enable_seqscan = off", ())
        _, walking = cost(lambda: store.query(whole, (big.kit.info.id,)))
    assert (walking.scans, walking.rows) == (0, ENTITIES)
    assert FEW < ENTITIES / 2


def test_planner_settings_are_those_of_production(big: Big) -> None:
    for name in ("enable_seqscan", "enable_indexscan", "enable_bitmapscan"):
        assert store.query(f"show {name}", ()) == [("on",)]


LOOKUPS: dict[str, Callable[[Big], Any]] = {
    "get_entity": lambda b: selectors.get_entity(b.ctx, b.crowd[77]),
    "entity_by_key": lambda b: selectors.entity_by_key(b.ctx, "Person", "x76"),
    "entities_by_ids": lambda b: selectors.entities_by_ids(b.ctx, [b.crowd[n] for n in range(1, 500)]),
    "edges_of hub": lambda b: selectors.edges_of(b.ctx, entity_id=b.crowd[1]),
    "edges_of hub, kind": lambda b: selectors.edges_of(b.ctx, entity_id=b.crowd[1], kind="next"),
    "edges_of hub, next page": lambda b: selectors.edges_of(
        b.ctx, entity_id=b.crowd[1], after=selectors.edges_of(b.ctx, entity_id=b.crowd[1]).cursors[-1]
    ),
    "edges_of in": lambda b: selectors.edges_of(b.ctx, entity_id=b.crowd[99], direction="in"),
    "edges_of_many": lambda b: selectors.edges_of_many(b.ctx, [b.crowd[n] for n in range(1, 200)]),
    "edges_of_many in": lambda b: selectors.edges_of_many(b.ctx, [b.crowd[n] for n in range(1, 200)], direction="in"),
    "edges_between": lambda b: selectors.edges_between(b.ctx, [b.crowd[n] for n in range(2, 200)], limit=500),
    "edge_kinds_of hub": lambda b: selectors.edge_kinds_of(b.ctx, b.crowd[1]),
    "edge_kinds_of": lambda b: selectors.edge_kinds_of(b.ctx, b.crowd[500]),
    "history": lambda b: selectors.history(b.ctx, b.crowd[77]),
    "graph_summary": lambda b: selectors.graph_summary(b.ctx),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookups(big: Big, name: str) -> None:
    assert_indexed(lambda: LOOKUPS[name](big))


@pytest.mark.parametrize("order", ["id", "name", "updatedAt", "externalId"])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("kind", [None, "Person"])
def test_orders_and_pages(big: Big, order: str, descending: bool, kind: str | None) -> None:
    first = assert_indexed(lambda: selectors.list_entities(big.ctx, kind=kind, order=order, descending=descending))
    assert len(first.rows) == 50
    assert first.total >= 10_000
    deep = cursors.encode(f"{order} desc" if descending else order, _value(big, order), big.crowd[ENTITIES // 2])
    page = assert_indexed(
        lambda: selectors.list_entities(
            big.ctx, kind=kind, order=order, descending=descending, after=deep, count=False
        ),
        rows=2_000,
    )
    assert len(page.rows) == 50


def _value(big: Big, order: str) -> Any:
    row = selectors.get_entity(big.ctx, big.crowd[ENTITIES // 2])
    assert row is not None
    return {"id": None, "name": row.name, "externalId": row.external_id, "updatedAt": row.updated_at.isoformat()}[order]


LONG_AGO = "2016-01-01T00:00:00+00:00"
LATER = "2999-01-01T00:00:00+00:00"
FILTERS: list[dict[str, Any]] = [
    {"externalId": "x777"}, {"externalId": {"in": ["x1", "x2", "nope"]}}, {"externalId": {"prefix": "x7777"}},
    {"externalId": {"gt": "x99"}}, {"externalId": {"exists": False}}, {"externalId": "nope"},
    {"name": "Name 777"}, {"name": {"prefix": "Name 77"}}, {"name": {"gte": "Name 9", "lt": "Name 91"}}, {"name": "nope"},
    {"name": {"exists": False}},
    {"kind": "Person"}, {"kind": {"in": ["Person", "Asset"]}}, {"kind": "Nope"}, {"kind": {"prefix": "P"}},
    {"dataClass": "personal"}, {"dataClass": {"in": ["personal", "public"]}}, {"dataClass": "sensitive"},
    {"retentionTier": "standard-365d"}, {"retentionTier": "legal-hold"}, {"redactionPolicy": "mask"},
    {"licence": "CC"}, {"licence": "nope"}, {"source": "source7"}, {"source": {"in": ["source7", "nope"]}},
    {"region": "eu-west-1"}, {"region": "us-east-1"}, {"purposes": "investigation"}, {"purposes": "nope"},
    {"updatedAt": {"gt": LATER}}, {"updatedAt": {"lt": LONG_AGO}},
    {"version": {"exists": False}}, {"createdAt": {"exists": True}}, {"dataClass": {"prefix": "z"}},
    {"source": {"prefix": "source49"}},
    {"source": {"prefix": "z"}}, {"source": {"exists": False}}, {"licence": {"exists": False}},
    {"region": {"prefix": "us-"}}, {"redactionPolicy": {"exists": False}},
    {"properties.rare": {"exists": True}}, {"properties.nope": {"exists": True}}, {"properties.rare": {"prefix": "y"}},
    {"properties.n": 4711}, {"properties.n": {"in": [1, 2, 3]}}, {"properties.rare": "yes"}, {"properties.nope": 1},
    {"properties.country": "DE"}, {"properties.country": "DE", "dataClass": "personal"},
    {"kind": "Person", "name": {"prefix": "Name 77"}}, {"kind": "Person", "properties.rare": "yes"},
    {"kind": "Person", "dataClass": "personal", "source": "source7"},
]  # fmt: skip


WIDE: list[dict[str, Any]] = [
    {"version": 7}, {"version": {"gt": 7}}, {"version": {"in": [8, 9]}}, {"createdAt": {"lt": LONG_AGO}},
    {"createdAt": {"gt": LATER}}, {"kind": {"prefix": "Zz"}}, {"kind": {"exists": False}}, {"kind": {"gt": "Zz"}},
    {"dataClass": {"gt": "z"}}, {"source": {"lt": "a"}}, {"retentionTier": {"lte": "a"}},
    {"kind": "Person", "version": {"gt": 7}},
    {"properties.n": {"gt": 119_990}}, {"properties.n": {"lt": 0}}, {"properties.country": {"gt": "Z"}},
    {"properties.nope": {"exists": False}}, {"properties.n": {"exists": False}},
    {"properties.country": "DE", "version": {"gt": 7}}, {"dataClass": "personal", "version": {"gt": 7}},
]  # fmt: skip


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_filters(big: Big, wanted: dict[str, Any]) -> None:
    assert_indexed(lambda: selectors.list_entities(big.ctx, filters_=wanted), entries=2 * ENTITIES + 2 * FEW)


@pytest.mark.parametrize("wanted", WIDE, ids=str)
def test_what_no_index_orders_is_looked_at_row_by_row(big: Big, wanted: dict[str, Any]) -> None:
    """Those that fit the rest are looked at, once for the page, once for the count: never other tenants' rows."""
    assert_indexed(lambda: selectors.list_entities(big.ctx, filters_=wanted), rows=3 * ENTITIES, entries=7 * ENTITIES)


@pytest.mark.parametrize("q", ["Name 4711", "word7", "common", "x4711", "nothing", "wor"])
@pytest.mark.parametrize("wanted", [None, {"kind": "Person"}, {"dataClass": "personal"}, {"properties.rare": "yes"}])
def test_search(big: Big, q: str, wanted: Any) -> None:
    assert_indexed(lambda: selectors.search(big.ctx, q=q, filters_=wanted), entries=2 * ENTITIES + 2 * FEW)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("kinds", [None, ["next"], ["nope"]])
def test_neighborhoods(big: Big, direction: Direction, kinds: list[str] | None) -> None:
    found = assert_indexed(
        lambda: selectors.neighborhood(
            big.ctx, id=big.crowd[200], hops=6, kinds=kinds, first=50, direction=direction.value
        ),
        entries=3 * HUB_EDGES,  # the hub's own edges, never the tenant's
    )
    assert found.engine == "sql"
    if kinds == ["next"]:
        assert_indexed(
            lambda: selectors.neighborhood(big.ctx, id=big.crowd[200], hops=6, kinds=kinds, direction=direction.value),
            500,
        )


def test_a_hub_is_bounded(big: Big) -> None:
    found = assert_indexed(
        lambda: selectors.neighborhood(big.ctx, id=big.crowd[1], hops=6, first=200), entries=3 * HUB_EDGES
    )
    assert [node.id for node in found.nodes] == [big.crowd[n] for n in range(1, 201)]
    assert found.truncated
    path = assert_indexed(
        lambda: selectors.shortest_path(big.ctx, source=big.crowd[300], target=big.crowd[90_000]), entries=3 * HUB_EDGES
    )
    assert [node.id for node in path.nodes] == [big.crowd[300], big.crowd[1], big.crowd[90_000]]


def test_a_traversal_reads_indexes_alone(big: Big) -> None:
    plans: list[str] = []
    query = store.query

    def explained(sql: str, params: Any) -> list[Any]:
        if "graph_edge" in sql:
            plans.append("\n".join(row[0] for row in query(f"explain {sql}", params)))
        return query(sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "query", explained)
        SqlTraversal(big.kit.info.id).neighborhood(big.crowd[200], hops=3, kinds=None, max_nodes=50, max_edges=100)
    assert len(plans) == 3  # two hops, then the hub fills it; and the edges
    for plan in plans:
        assert "Index Only Scan using graph_edge_" in plan, plan
        assert "Seq Scan" not in plan, plan


def test_writes_look_up_by_index(big: Big) -> None:
    inputs = [EntityInput("Person", f"x{n}", name="new") for n in range(4, 2_000, 4)]
    assert_indexed(lambda: services.upsert_entities(big.ctx, inputs=inputs))
    edges = [
        EdgeInput("met", source_id=big.crowd[n], target_kind="Person", target_external_id="x4") for n in range(5, 500)
    ]
    assert_indexed(lambda: services.upsert_edges(big.ctx, inputs=edges))
    assert_indexed(lambda: services.delete_entities(big.ctx, ids=[big.crowd[ENTITIES - 1]]))


def test_prepared_statements_keep_their_index_for_the_next_tenant(big: Big) -> None:
    """A generic plan made for a small tenant must serve a big one too, over one connection."""
    small = make_tenant()
    with no_scope(), tenant_scope(small.info.id):
        for _ in range(8):
            store.entities_by_key(small.info.id, [("Person", "x4")])
    with no_scope(), tenant_scope(big.kit.info.id):
        found = assert_indexed(lambda: store.entities_by_key(big.kit.info.id, [("Person", "x4")]))
    assert found
    assert connections["default"].settings_dict["IG_ROLE"] == "app"
