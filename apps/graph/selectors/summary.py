"""How much a tenant holds, and how far the projections are behind."""

from uuid import UUID

from apps.bus import selectors as bus
from apps.core import conf
from apps.core.context import Context
from apps.core.scope import require_tenant_id
from apps.graph import store
from apps.graph.errors import GraphAway
from apps.graph.neo4j_store import connect
from apps.graph.types import Summary
from apps.ledger import selectors as ledger

COUNTS, NEO4J = "graph.counts", "graph.neo4j"


def projection_lag(ctx: Context) -> dict[str, int]:
    """Return {projection: how many of the tenant's numbered events it has still to apply}.

    Neo4j is asked itself, since it may have been wiped or set back; while it rebuilds the tenant, every event counts as
    missing. When it does not answer, the relay's cursor speaks for it.
    """
    tenant_id = require_tenant_id()
    url = conf.get()["NEO4J_URL"]
    behind = bus.behind(tenant_id, [COUNTS, NEO4J] if url else [COUNTS])
    if url:
        behind[NEO4J] = max(behind[NEO4J], _graph_says(tenant_id, url))
    return behind


def _graph_says(tenant_id: UUID, url: str) -> int:
    head = ledger.head(tenant_id)
    newest = head.number if head else 0
    try:
        with connect(url).reading(tenant_id) as reader:
            progress = reader.progress(NEO4J)
    except GraphAway:
        return 0
    return newest if progress is None or not progress.whole else max(0, newest - progress.number)


def stored_counts(ctx: Context) -> tuple[int, int]:
    """Return how many entities and edges the tables hold: counted now, row by row."""
    tenant_id = require_tenant_id()
    row = store.query(
        "select (select count(*) from graph_entity where tenant_id = %s),"
        " (select count(*) from graph_edge where tenant_id = %s)",
        (tenant_id, tenant_id),
    )[0]
    return int(row[0]), int(row[1])


def graph_summary(ctx: Context) -> Summary:
    """Return the tenant's counts by kind, its newest ledger number, and the lag of each projection (in events)."""
    tenant_id = require_tenant_id()
    rows = store.by_index(
        "select ref_kind, kind, count from graph_kind_count where tenant_id = %s and count > 0"
        " order by count desc, kind",
        (tenant_id,),
    )
    kinds = [(kind, int(count)) for ref_kind, kind, count in rows if ref_kind == "entity"]
    edge_kinds = [(kind, int(count)) for ref_kind, kind, count in rows if ref_kind == "edge"]
    head = ledger.head(tenant_id)
    behind = projection_lag(ctx)
    return Summary(
        entity_count=sum(count for _, count in kinds),
        edge_count=sum(count for _, count in edge_kinds),
        kinds=kinds,
        edge_kinds=edge_kinds,
        last_number=head.number if head else 0,
        projection_lag=max(behind.values()),
        projections=behind,
    )
