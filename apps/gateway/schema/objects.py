"""What the graph looks like to clients: entities, edges, pages of them."""

from typing import Any
from uuid import UUID

import graphene
from graphql import GraphQLResolveInfo

from apps.core.errors import InvalidInput
from apps.gateway import threads
from apps.gateway.loaders import EdgePage, edge_page
from apps.gateway.schema.arguments import bounded, word
from apps.gateway.schema.guards import call_of
from apps.gateway.schema.scalars import JSON, DateTime
from apps.gateway.shown import ShownEdge, ShownEntity
from apps.graph import selectors as graph
from apps.policy import services as policy

MAX_EDGES = 500


class Node(graphene.Interface):
    """What entities of every kind share."""

    id = graphene.ID(required=True)
    kind = graphene.String(required=True)
    external_id = graphene.String(required=True, description="Key within the kind, given by whoever brought the data.")
    name = graphene.String(required=True)
    properties = JSON(required=True)
    data_class = graphene.String(required=True, description="public, internal, confidential, personal or sensitive.")
    retention_tier = graphene.String(required=True, description="short-30d, standard-365d, long-1825d or legal-hold.")
    redaction_policy = graphene.String(
        required=True, description="What those who are not cleared get: none, mask, hash, generalise or drop."
    )
    purposes = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="Purposes it may be read for; empty: any."
    )
    licence = graphene.String(required=True)
    source = graphene.String(required=True)
    region = graphene.String(required=True)
    version = graphene.Int(required=True)
    updated_at = DateTime(required=True)
    withheld = graphene.List(
        graphene.NonNull(graphene.String), required=True, description="Fields whose values are altered for this reader."
    )
    withheld_reason = graphene.String(description="Why fields are altered: purpose or data class.")
    event_id = graphene.String(description="On a pushed update: the cursor to resume from.")
    published_at = DateTime(description="On a pushed update: when the ledger numbered it.")


class Revision(graphene.ObjectType):
    """One change in the life of an entity or edge."""

    version = graphene.Int(required=True)
    op = graphene.String(required=True, description="created, updated or deleted.")
    at = DateTime(required=True)
    actor = graphene.String(required=True)
    event_id = graphene.String(description="The ledger's number of the change; null until it is numbered.")

    @staticmethod
    def resolve_event_id(revision: Any, info: GraphQLResolveInfo) -> str | None:
        """Return the record's number."""
        return None if revision.number is None else str(revision.number)


class Edge(graphene.ObjectType):
    """A directed relation between two entities."""

    id = graphene.ID(required=True)
    kind = graphene.String(required=True)
    external_id = graphene.String(required=True)
    source = graphene.ID(required=True)
    target = graphene.ID(required=True)
    properties = JSON(required=True)
    data_class = graphene.String(required=True)
    retention_tier = graphene.String(required=True)
    redaction_policy = graphene.String(required=True)
    purposes = graphene.List(graphene.NonNull(graphene.String), required=True)
    licence = graphene.String(required=True)
    origin = graphene.String(required=True, description="Where the edge was brought from.")
    version = graphene.Int(required=True)
    updated_at = DateTime(required=True)
    withheld = graphene.List(graphene.NonNull(graphene.String), required=True)
    withheld_reason = graphene.String()
    source_entity = graphene.Field(lambda: Entity, description="Null when it is withheld from this reader.")
    target_entity = graphene.Field(lambda: Entity, description="Null when it is withheld from this reader.")

    @staticmethod
    async def resolve_source_entity(edge: ShownEdge, info: GraphQLResolveInfo) -> ShownEntity | None:
        """Return where the edge begins."""
        return await call_of(info).loaders.entity(UUID(edge.source))

    @staticmethod
    async def resolve_target_entity(edge: ShownEdge, info: GraphQLResolveInfo) -> ShownEntity | None:
        """Return where the edge ends."""
        return await call_of(info).loaders.entity(UUID(edge.target))


class _Related(graphene.ObjectType):
    """The fields that follow an entity's relations and history."""

    class Meta:
        abstract = True

    created_at = DateTime(description="Null on a pushed update.")
    out_edges = graphene.Field(
        lambda: EdgeConnection,
        required=True,
        kind=graphene.String(),
        first=graphene.Int(default_value=50),
        after=graphene.String(),
        description="Edges that begin here, by kind and age. A page may hold fewer than `first`; see pageInfo.",
    )
    in_edges = graphene.Field(
        lambda: EdgeConnection,
        required=True,
        kind=graphene.String(),
        first=graphene.Int(default_value=50),
        after=graphene.String(),
        description="Edges that end here, by kind and age. A page may hold fewer than `first`; see pageInfo.",
    )
    history = graphene.List(
        graphene.NonNull(Revision),
        required=True,
        first=graphene.Int(default_value=20),
        description="Changes, newest first.",
    )

    @staticmethod
    async def resolve_out_edges(
        entity: ShownEntity,
        info: GraphQLResolveInfo,
        kind: str | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> "EdgeConnection":
        """Return a page of the entity's outgoing edges."""
        return await _edges(entity, info, "out", kind, first, after)

    @staticmethod
    async def resolve_in_edges(
        entity: ShownEntity,
        info: GraphQLResolveInfo,
        kind: str | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> "EdgeConnection":
        """Return a page of the entity's incoming edges."""
        return await _edges(entity, info, "in", kind, first, after)

    @staticmethod
    async def resolve_history(entity: ShownEntity, info: GraphQLResolveInfo, first: int | None = 20) -> list[Any]:
        """Return the entity's changes."""
        call = call_of(info)
        policy.require(call.ctx, "graph.history.read")
        count = bounded(call, "first", first, 20, 0, 100)
        if not count:
            return []
        return await threads.run(call.ctx, graph.history, call.ctx, UUID(entity.id), first=count)


async def _edges(
    entity: ShownEntity,
    info: GraphQLResolveInfo,
    direction: str,
    kind: str | None,
    first: int | None,
    after: str | None,
) -> "EdgeConnection":
    call = call_of(info)
    count = bounded(call, "first", first, 50, 1, MAX_EDGES)
    wanted = word(call, "kind", kind)
    if kind is not None and wanted is None:
        return _edge_connection(EdgePage([], False), after)
    if after is None:
        return _edge_connection(await call.loaders.edges(UUID(entity.id), direction, wanted, count), after)
    count = call.rows.reserve(count)
    if not count:
        return _edge_connection(EdgePage([], True, end=after), after)
    try:
        found = await threads.run(
            call.ctx,
            graph.edges_of,
            call.ctx,
            entity_id=UUID(entity.id),
            direction=direction,
            kind=wanted,
            first=count,
            after=after,
        )
    except InvalidInput as error:
        call.rows.settle(count, 0)
        call.warn("after", error.message)
        return _edge_connection(EdgePage([], False), after)
    call.rows.settle(count, len(found.rows))
    return _edge_connection(edge_page(call.viewer, found.rows, found.has_next), after)


def _edge_connection(page: EdgePage, after: str | None) -> "EdgeConnection":
    return EdgeConnection(
        nodes=page.edges,
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=after is not None,
            start_cursor=page.start,
            end_cursor=page.end,
        ),
    )


class Entity(_Related):
    """A person, organisation, asset or anything else that has relations."""

    class Meta:
        interfaces = (Node,)


class Asset(_Related):
    """An entity of the kind `Asset`."""

    class Meta:
        interfaces = (Node,)


class PageInfo(graphene.ObjectType):
    """Where a page stands in its list. Lists are read forwards."""

    has_next_page = graphene.Boolean(required=True)
    has_previous_page = graphene.Boolean(required=True)
    start_cursor = graphene.String()
    end_cursor = graphene.String()


class EdgeConnection(graphene.ObjectType):
    """A page of edges."""

    nodes = graphene.List(graphene.NonNull(Edge), required=True)
    page_info = graphene.Field(PageInfo, required=True)


class InputError(graphene.ObjectType):
    """Why one input was not taken. `index` counts from 0 in the order given."""

    index = graphene.Int(required=True)
    code = graphene.String(required=True)
    field = graphene.String(required=True)
    message = graphene.String(required=True)


class EntityEdge(graphene.ObjectType):
    """An entity with its cursor in a list."""

    node = graphene.Field(Entity, required=True)
    cursor = graphene.String(required=True)


class EntityConnection(graphene.ObjectType):
    """A page of entities."""

    nodes = graphene.List(graphene.NonNull(Entity), required=True)
    edges = graphene.List(graphene.NonNull(EntityEdge), required=True)
    page_info = graphene.Field(PageInfo, required=True)
    total_count = graphene.Int(required=True, description="Exact up to 10,000; see totalIsEstimate.")
    total_is_estimate = graphene.Boolean(required=True)
    withheld_count = graphene.Int(
        required=True, description="How many entities of this page are withheld from this reader."
    )
    errors = graphene.List(
        graphene.NonNull(InputError), required=True, description="Why the page is empty: a cursor that is none."
    )


class Subgraph(graphene.ObjectType):
    """Part of the graph around an entity."""

    nodes = graphene.List(graphene.NonNull(Entity), required=True)
    edges = graphene.List(graphene.NonNull(Edge), required=True)
    truncated = graphene.Boolean(required=True, description="True when a limit cut it.")
    withheld_count = graphene.Int(required=True, description="How many entities are withheld from this reader.")


class SearchHit(graphene.ObjectType):
    """A hit: the entity, its rank and a snippet with the matches between U+0002 and U+0003."""

    node = graphene.Field(Entity, required=True)
    cursor = graphene.String(required=True)
    rank = graphene.Float(required=True)
    snippet = graphene.String(required=True)


class SearchResult(graphene.ObjectType):
    """A page of hits, best first."""

    nodes = graphene.List(graphene.NonNull(Entity), required=True)
    edges = graphene.List(graphene.NonNull(SearchHit), required=True)
    page_info = graphene.Field(PageInfo, required=True)
    total_count = graphene.Int(required=True)
    total_is_estimate = graphene.Boolean(required=True, description="True when there are more matches than are ranked.")
    withheld_count = graphene.Int(
        required=True, description="How many hits of this page are withheld from this reader."
    )
    errors = graphene.List(
        graphene.NonNull(InputError),
        required=True,
        description="Why the page is empty: no words, or a cursor that is none.",
    )


class KindCount(graphene.ObjectType):
    """How many there are of a kind."""

    kind = graphene.String(required=True)
    count = graphene.Int(required=True)


class GraphSummary(graphene.ObjectType):
    """How much the tenant holds, and how far its projections are behind."""

    entity_count = graphene.Int(required=True)
    edge_count = graphene.Int(required=True)
    kinds = graphene.List(graphene.NonNull(KindCount), required=True)
    edge_kinds = graphene.List(graphene.NonNull(KindCount), required=True)
    last_event_id = graphene.String(description="The newest event; null before the first.")
    projection_lag = graphene.Int(required=True, description="Events that the slowest projection has yet to apply.")


class Tenant(graphene.ObjectType):
    """An organisation that uses the platform."""

    id = graphene.ID(required=True)
    slug = graphene.String(required=True)
    region = graphene.String(required=True)


class Viewer(graphene.ObjectType):
    """Who is asking."""

    id = graphene.ID(required=True)
    kind = graphene.String(required=True, description="user or key.")
    name = graphene.String(required=True)
    roles = graphene.List(graphene.NonNull(graphene.String), required=True)
    scopes = graphene.List(
        graphene.NonNull(graphene.String), description="What the key is limited to; null for people."
    )
    purpose = graphene.String(description="Why data is read, as stated by x-ig-purpose.")
    tenant = graphene.Field(Tenant, description="Null until a person with several tenants names one by x-ig-tenant.")
