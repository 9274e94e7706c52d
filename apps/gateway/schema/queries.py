"""The query fields."""

from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from apps.core.errors import InvalidInput, NotFound
from apps.gateway import threads
from apps.gateway.call import Call
from apps.gateway.schema import objects as o
from apps.gateway.schema.arguments import bounded, identifier, word, words
from apps.gateway.schema.guards import call_of, guarded
from apps.gateway.schema.scalars import JSON
from apps.gateway.schema.statements import StatementQueries
from apps.gateway.shown import ASSET, ShownEntity
from apps.gateway.versions import API_VERSION
from apps.graph import selectors as graph
from apps.graph.types import MAX_HOPS, MAX_PAGE, MAX_SUBGRAPH, InputError, SubgraphRows
from apps.policy.types import Treatment

MAX_HITS = 100
# Filters on these compare contents; a match alone would tell what is masked.
TELLING = ("name", "externalId", "properties.")


async def _entity(info: GraphQLResolveInfo, given: str) -> ShownEntity | None:
    call = call_of(info)
    id_ = identifier(call, "id", given)
    return None if id_ is None else await call.loaders.entity(id_)


def _page_info(cursors: list[str], has_next: bool, after: str | None) -> o.PageInfo:
    return o.PageInfo(
        has_next_page=has_next,
        has_previous_page=after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


def _nothing(kind: type, *errors: InputError) -> Any:
    return kind(
        nodes=[],
        edges=[],
        page_info=_page_info([], False, None),
        total_count=0,
        total_is_estimate=False,
        withheld_count=0,
        errors=list(errors),
    )


def _cut(kind: type, after: str | None) -> Any:
    """Return an empty page for an operation whose rows are used up: it can be asked for again from the same place."""
    page = _nothing(kind)
    page.page_info = o.PageInfo(
        has_next_page=True, has_previous_page=after is not None, start_cursor=None, end_cursor=after
    )
    return page


def _soft(call: Call, error: InvalidInput) -> InputError:
    """Return a refusal of a cursor or of a query text as a row; re-raise any other."""
    if error.field not in {"after", "q"}:
        raise error
    call.warn(error.field, error.message)
    return InputError(0, error.code, error.field, error.message)


def _subgraph(call: Call, found: SubgraphRows, reserved: int = 0) -> o.Subgraph:
    """Return part of the graph as shown: an edge when both its ends are, and as many as the operation may have."""
    call.rows.settle(reserved, len(found.nodes))
    room = call.rows.reserve(len(found.edges))
    nodes, withheld = call.viewer.entities(found.nodes)
    ids = {node.id for node in nodes}
    edges, _ = call.viewer.edges(found.edges[:room])
    return o.Subgraph(
        nodes=nodes,
        edges=[edge for edge in edges if edge.source in ids and edge.target in ids],
        truncated=found.truncated or len(found.edges) > room,
        withheld_count=withheld + found.withheld,
    )


def _tells(filters: Any) -> bool:
    return isinstance(filters, dict) and any(str(name).startswith(TELLING) for name in filters)


class Query(StatementQueries, graphene.ObjectType):
    """Reads."""

    api_version = graphene.String(required=True, description="Version of this API.")
    me = graphene.Field(o.Viewer, required=True, description="Who is asking.")
    asset = graphene.Field(
        o.Asset, id=graphene.ID(required=True), description="The entity of kind Asset with this id, or null."
    )
    entity = graphene.Field(o.Entity, id=graphene.ID(required=True), description="The entity with this id, or null.")
    entities = graphene.Field(
        o.EntityConnection,
        required=True,
        kind=graphene.String(),
        filters=JSON(),
        first=graphene.Int(default_value=50),
        after=graphene.String(),
        description="Entities, in order of creation.",
    )
    neighborhood = graphene.Field(
        o.Subgraph,
        required=True,
        id=graphene.ID(required=True),
        hops=graphene.Int(default_value=1),
        kinds=graphene.List(graphene.NonNull(graphene.String)),
        first=graphene.Int(default_value=200),
        description="What lies around an entity; `kinds` are kinds of edges to follow.",
    )
    shortest_path = graphene.Field(
        o.Subgraph,
        source=graphene.ID(required=True),
        target=graphene.ID(required=True),
        max_hops=graphene.Int(default_value=MAX_HOPS),
        kinds=graphene.List(graphene.NonNull(graphene.String)),
        description="A shortest path between two entities, or null; `kinds` are kinds of edges to follow.",
    )
    search = graphene.Field(
        o.SearchResult,
        required=True,
        q=graphene.String(required=True),
        filters=JSON(),
        after=graphene.String(),
        first=graphene.Int(default_value=20),
        description="Entities that hold every word, best first.",
    )
    graph_summary = graphene.Field(o.GraphSummary, required=True, description="How much the tenant holds.")

    @staticmethod
    @guarded("gateway.version.read")
    def resolve_api_version(root: Any, info: GraphQLResolveInfo) -> str:
        """Return the version."""
        return API_VERSION

    @staticmethod
    @guarded("identity.self.read")
    def resolve_me(root: Any, info: GraphQLResolveInfo) -> o.Viewer:
        """Return the caller."""
        ctx = call_of(info).ctx
        tenant = o.Tenant(id=str(ctx.tenant_id), slug=ctx.tenant_slug, region=ctx.region) if ctx.tenant_id else None
        return o.Viewer(
            id=ctx.actor.id,
            kind=ctx.actor.kind.value,
            name=ctx.actor.name,
            roles=sorted(ctx.roles | ctx.platform_roles),
            scopes=None if ctx.scopes is None else sorted(ctx.scopes),
            purpose=ctx.purpose,
            tenant=tenant,
        )

    @staticmethod
    @guarded("graph.entity.read")
    async def resolve_asset(root: Any, info: GraphQLResolveInfo, id: str) -> ShownEntity | None:
        """Return an asset; an entity of another kind is none."""
        found = await _entity(info, id)
        return found if found is not None and found.kind == ASSET else None

    @staticmethod
    @guarded("graph.entity.read")
    async def resolve_entity(root: Any, info: GraphQLResolveInfo, id: str) -> ShownEntity | None:
        """Return an entity."""
        return await _entity(info, id)

    @staticmethod
    @guarded("graph.entity.read")
    async def resolve_entities(
        root: Any,
        info: GraphQLResolveInfo,
        kind: str | None = None,
        filters: Any = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> o.EntityConnection:
        """Return a page of entities. A filter on contents leaves out what this reader may not see in clear."""
        call = call_of(info)
        wanted = word(call, "kind", kind)
        size = bounded(call, "first", first, 50, 1, MAX_PAGE)
        if kind is not None and wanted is None:
            return _nothing(o.EntityConnection)
        count = call.rows.reserve(size)
        if not count:
            return _cut(o.EntityConnection, after)
        try:
            page = await threads.run(
                call.ctx,
                graph.list_entities,
                call.ctx,
                filters_=filters,
                kind=wanted,
                first=count,
                after=after,
                count=_selected(info, "totalCount", "totalIsEstimate"),
            )
        except InvalidInput as error:
            call.rows.settle(count, 0)
            return _nothing(o.EntityConnection, _soft(call, error))
        call.rows.settle(count, len(page.rows))
        rows = list(zip(page.rows, page.cursors, strict=True))
        if _tells(filters):
            rows = [(row, cursor) for row, cursor in rows if call.viewer.treatment(row) is Treatment.CLEAR]
        shown = [(entity, cursor) for row, cursor in rows if (entity := call.viewer.entity(row)) is not None]
        return o.EntityConnection(
            nodes=[entity for entity, _ in shown],
            edges=[o.EntityEdge(node=entity, cursor=cursor) for entity, cursor in shown],
            page_info=_page_info(page.cursors, page.has_next, after),
            total_count=page.total,
            total_is_estimate=page.total_is_estimate,
            withheld_count=len(page.rows) - len(shown),
            errors=[],
        )

    @staticmethod
    @guarded("graph.entity.read")
    async def resolve_neighborhood(
        root: Any,
        info: GraphQLResolveInfo,
        id: str,
        hops: int | None = 1,
        kinds: list[str] | None = None,
        first: int | None = 200,
    ) -> o.Subgraph:
        """Return what lies around an entity. An edge is shown when both its ends are."""
        call = call_of(info)
        start = identifier(call, "id", id)
        far = bounded(call, "hops", hops, 1, 1, MAX_HOPS)
        size = bounded(call, "first", first, 200, 1, MAX_SUBGRAPH)
        if start is None:
            return o.Subgraph(nodes=[], edges=[], truncated=False, withheld_count=0)
        most = call.rows.reserve(size)
        if not most:
            return o.Subgraph(nodes=[], edges=[], truncated=True, withheld_count=0)
        try:
            found = await threads.run(
                call.ctx,
                graph.neighborhood,
                call.ctx,
                id=start,
                hops=far,
                kinds=words(call, "kinds", kinds),
                first=most,
            )
        except NotFound:
            call.rows.settle(most, 0)
            return o.Subgraph(nodes=[], edges=[], truncated=False, withheld_count=0)
        return _subgraph(call, found, most)

    @staticmethod
    @guarded("graph.entity.read")
    async def resolve_shortest_path(
        root: Any,
        info: GraphQLResolveInfo,
        source: str,
        target: str,
        max_hops: int | None = MAX_HOPS,
        kinds: list[str] | None = None,
    ) -> o.Subgraph | None:
        """Return a path. One that leads over what is withheld is none: a broken one would tell what lies between."""
        call = call_of(info)
        start, end = identifier(call, "source", source), identifier(call, "target", target)
        far = bounded(call, "maxHops", max_hops, MAX_HOPS, 1, MAX_HOPS)
        if start is None or end is None:
            return None
        try:
            found = await threads.run(
                call.ctx,
                graph.shortest_path,
                call.ctx,
                source=start,
                target=end,
                max_hops=far,
                kinds=words(call, "kinds", kinds),
            )
        except NotFound:
            return None
        if found is None:
            return None
        path = _subgraph(call, found)
        whole = len(path.nodes) == len(found.nodes) and len(path.edges) == len(found.edges)
        return path if whole else None

    @staticmethod
    @guarded("graph.search")
    async def resolve_search(
        root: Any,
        info: GraphQLResolveInfo,
        q: str,
        filters: Any = None,
        after: str | None = None,
        first: int | None = 20,
    ) -> o.SearchResult:
        """Return hits. What this reader may not see in clear is no hit: the match alone would tell its contents."""
        call = call_of(info)
        count = call.rows.reserve(bounded(call, "first", first, 20, 1, MAX_HITS))
        if not count:
            return _cut(o.SearchResult, after)
        try:
            page = await threads.run(call.ctx, graph.search, call.ctx, q=q, filters_=filters, first=count, after=after)
        except InvalidInput as error:
            call.rows.settle(count, 0)
            return _nothing(o.SearchResult, _soft(call, error))
        call.rows.settle(count, len(page.hits))
        hits = []
        for hit, cursor in zip(page.hits, page.cursors, strict=True):
            if call.viewer.treatment(hit.entity) is Treatment.CLEAR:
                hits.append(
                    o.SearchHit(node=call.viewer.entity(hit.entity), cursor=cursor, rank=hit.rank, snippet=hit.snippet)
                )
        return o.SearchResult(
            nodes=[hit.node for hit in hits],
            edges=hits,
            page_info=_page_info(page.cursors, page.has_next, after),
            total_count=page.total,
            total_is_estimate=page.capped,
            withheld_count=len(page.hits) - len(hits),
            errors=[],
        )

    @staticmethod
    @guarded("graph.summary.read")
    async def resolve_graph_summary(root: Any, info: GraphQLResolveInfo) -> o.GraphSummary:
        """Return the tenant's totals."""
        call = call_of(info)
        found = await threads.run(call.ctx, graph.graph_summary, call.ctx)
        return o.GraphSummary(
            entity_count=found.entity_count,
            edge_count=found.edge_count,
            kinds=[o.KindCount(kind=kind, count=count) for kind, count in found.kinds],
            edge_kinds=[o.KindCount(kind=kind, count=count) for kind, count in found.edge_kinds],
            last_event_id=str(found.last_number) if found.last_number else None,
            projection_lag=found.projection_lag,
        )


def _selected(info: GraphQLResolveInfo, *names: str) -> bool:
    """Return whether the field's own selection may hold one of these names (fragments count as holding them)."""
    for node in info.field_nodes:
        for child in node.selection_set.selections if node.selection_set else ():
            if child.kind != "field" or child.name.value in names:  # type: ignore[attr-defined]
                return True
    return False
