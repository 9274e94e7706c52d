"""The subscription fields: what each asks the hub for, and how a change is shown."""

from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from apps.bus.types import parse_event_ref
from apps.core.errors import InvalidInput
from apps.core.ids import parse_id
from apps.gateway.pipeline import same_tenant
from apps.gateway.realtime.shapes import Pushed, Source
from apps.gateway.realtime.states import State, Told
from apps.gateway.realtime.wire import WHOLE, Cursor
from apps.gateway.realtime.wire import Change as WireChange
from apps.gateway.schema import incidents, standing
from apps.gateway.schema import objects as o
from apps.gateway.schema.guards import call_of, guarded
from apps.gateway.schema.scalars import DateTime
from apps.gateway.shown import ASSET, ShownEntity

GRAPH = frozenset({"entity", "edge"})
"""What the stream of the graph's changes tells of; other kinds have streams and permissions of their own."""


class Change(graphene.ObjectType):
    """An entity or edge that was created, updated or deleted. `eventId` is the cursor to resume from."""

    event_id = graphene.String(required=True)
    published_at = DateTime(required=True, description="When the ledger numbered it.")
    ref_kind = graphene.String(required=True, description="entity or edge.")
    id = graphene.ID(required=True)
    op = graphene.String(required=True, description="created, updated or deleted.")
    kind = graphene.String(required=True)
    version = graphene.Int(required=True)
    entity = graphene.Field(
        o.Entity, description="Its content after the change; null for edges, deletions and what has been erased."
    )
    edge = graphene.Field(
        o.Edge, description="Its content after the change; null for entities, deletions and what has been erased."
    )


def since_cursor(text: str | None) -> Cursor | None:
    """Return the place that an event id names. Raises InvalidInput for what is none."""
    if text is None:
        return None
    found = parse_event_ref(text)
    if found is None:
        raise InvalidInput(
            "since is not an event id such as 17 or 17.3",
            field="since",
            mend="pass the eventId of the last update that you received",
        )
    number, position = found
    return Cursor(number, WHOLE if position < 0 else position)


def coalesced(milliseconds: int | None) -> float:
    """Return how often updates are to be handed on, in seconds, brought into range; 0 for each at once."""
    return 0.0 if milliseconds is None else min(60_000, max(50, milliseconds)) / 1_000


def _shown_entity(pushed: Pushed, info: GraphQLResolveInfo) -> ShownEntity | None:
    change = pushed.change
    if change.document is None or change.ref_kind != "entity":
        return None
    shown = call_of(info).viewer.entity_document(change.document)
    if shown is not None:
        shown.event_id, shown.published_at = change.event_id, change.published_at
    return shown


class Subscription(graphene.ObjectType):
    """Live updates, over the websocket."""

    asset_updated = graphene.Field(
        o.Asset,
        tenant_id=graphene.ID(required=True),
        id=graphene.ID(required=True),
        since=graphene.String(),
        coalesce_ms=graphene.Int(),
        description="Each new version of one asset; null when it was deleted. `since` and `coalesceMs` as with `changes`.",
    )
    changes = graphene.Field(
        Change,
        required=True,
        tenant_id=graphene.ID(required=True),
        kinds=graphene.List(graphene.NonNull(graphene.String)),
        since=graphene.String(),
        coalesce_ms=graphene.Int(),
        description="Every change of the tenant's graph, of these kinds (all without). With `since` first what happened behind that event."
        " With `coalesceMs` (50 to 60000) only the newest of each entity, every so many milliseconds.",
    )

    job_progress = graphene.Field(
        standing.JobProgress,
        required=True,
        tenant_id=graphene.ID(required=True),
        id=graphene.ID(),
        description="How far imports are: at first what stands, then what differs, at most twice a second. Without `id` all that are open or ended a moment ago; with it that one, until it has ended.",
    )
    usage_updated = graphene.Field(
        standing.Usage,
        required=True,
        tenant_id=graphene.ID(required=True),
        description="What is used of the tenant's limits: at first what stands, then what differs, at most once a second.",
    )
    incident_updated = graphene.Field(
        incidents.Incident,
        required=True,
        tenant_id=graphene.ID(required=True),
        id=graphene.ID(),
        severities=graphene.List(graphene.NonNull(graphene.String)),
        since=graphene.String(),
        coalesce_ms=graphene.Int(),
        description="Each new version of an incident: of all, of these severities, or of one by `id`. No part of the product publishes incidents yet,"
        " so today nothing is told. `since` and `coalesceMs` as with `changes`.",
    )

    @staticmethod
    @guarded(incidents.READ)
    def subscribe_incident_updated(
        root: Any,
        info: GraphQLResolveInfo,
        tenant_id: str,
        id: str | None = None,
        severities: list[str] | None = None,
        since: str | None = None,
        coalesce_ms: int | None = None,
    ) -> Source:
        """Return the tenant's incidents."""
        tenant = same_tenant(call_of(info).ctx, tenant_id)
        return incidents.source(tenant, id, severities, since_cursor(since), coalesced(coalesce_ms))

    @staticmethod
    def resolve_incident_updated(root: Pushed, info: GraphQLResolveInfo, **arguments: Any) -> incidents.Incident:
        """Return the incident after the change."""
        return incidents.Incident.shown(root.change)

    @staticmethod
    @guarded(standing.READ_JOBS)
    def subscribe_job_progress(root: Any, info: GraphQLResolveInfo, tenant_id: str, id: str | None = None) -> State:
        """Return the state of one import, or of those that move."""
        tenant = same_tenant(call_of(info).ctx, tenant_id)
        if id is None:
            return standing.moving_jobs(tenant)
        wanted = parse_id(id)
        if wanted is None:
            raise InvalidInput("id is not an id of this system", field="id")
        return standing.one_job(tenant, wanted)

    @staticmethod
    def resolve_job_progress(root: Told, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        """Return how far the import is."""
        return root.value

    @staticmethod
    @guarded(standing.READ_USAGE)
    def subscribe_usage_updated(root: Any, info: GraphQLResolveInfo, tenant_id: str) -> State:
        """Return the state of the tenant's limits."""
        return standing.usage(same_tenant(call_of(info).ctx, tenant_id))

    @staticmethod
    def resolve_usage_updated(root: Told, info: GraphQLResolveInfo, **arguments: Any) -> standing.Usage:
        """Return what is used."""
        return standing.Usage(limits=root.value)

    @staticmethod
    @guarded("graph.changes.subscribe")
    def subscribe_asset_updated(
        root: Any,
        info: GraphQLResolveInfo,
        tenant_id: str,
        id: str,
        since: str | None = None,
        coalesce_ms: int | None = None,
    ) -> Source:
        """Return the asset's changes."""
        tenant = same_tenant(call_of(info).ctx, tenant_id)
        wanted = parse_id(id)
        if wanted is None:
            raise InvalidInput("id is not an id of this system", field="id")
        ref_id = str(wanted)

        def wants(change: WireChange) -> bool:
            return change.ref_id == ref_id and change.ref_kind == "entity" and change.kind == ASSET

        return Source(tenant, "assetUpdated", wants, since_cursor(since), coalesced(coalesce_ms), ref_id)

    @staticmethod
    def resolve_asset_updated(root: Pushed, info: GraphQLResolveInfo, **arguments: Any) -> ShownEntity | None:
        """Return the asset after the change."""
        return _shown_entity(root, info)

    @staticmethod
    @guarded("graph.changes.subscribe")
    def subscribe_changes(
        root: Any,
        info: GraphQLResolveInfo,
        tenant_id: str,
        kinds: list[str] | None = None,
        since: str | None = None,
        coalesce_ms: int | None = None,
    ) -> Source:
        """Return the tenant's changes."""
        tenant = same_tenant(call_of(info).ctx, tenant_id)
        wanted = None if kinds is None else frozenset(kinds)

        def wants(change: WireChange) -> bool:
            return change.ref_kind in GRAPH and (wanted is None or change.kind in wanted)

        return Source(tenant, "changes", wants, since_cursor(since), coalesced(coalesce_ms))

    @staticmethod
    def resolve_changes(root: Pushed, info: GraphQLResolveInfo, **arguments: Any) -> Change:
        """Return the change."""
        c = root.change
        edge = (
            call_of(info).viewer.edge_document(c.document) if c.document is not None and c.ref_kind == "edge" else None
        )
        return Change(
            event_id=c.event_id,
            published_at=c.published_at,
            ref_kind=c.ref_kind,
            id=c.ref_id,
            op=c.op,
            kind=c.kind,
            version=c.version,
            entity=_shown_entity(root, info),
            edge=edge,
        )
