"""Entities over REST: read one. Everything else of the graph is GraphQL's."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Header, Path, Router

from apps.core.errors import NotFound
from apps.core.ids import parse_id
from apps.gateway.rest import schemas
from apps.gateway.rest.answers import json_answer
from apps.gateway.rest.door import Door, context_of
from apps.gateway.rest.words import Uuid
from apps.gateway.shown import ShownEntity, Viewer
from apps.graph import selectors as graph
from apps.policy import services as policy

router = Router(tags=["Graph"])

EntityId = Annotated[Uuid, Path(description="The entity's id.")]
Purpose = Annotated[
    str | None,
    Header(
        alias="x-ig-purpose",
        max_length=63,
        pattern="^[a-z][a-z0-9-]{0,62}$",
        description="What the entity is read for; decides what is shown in clear.",
    ),
]


def document_of(shown: ShownEntity) -> dict[str, Any]:
    """Return an entity as REST gives it."""
    return {
        "id": shown.id,
        "kind": shown.kind,
        "external_id": shown.external_id,
        "name": shown.name,
        "properties": shown.properties,
        "data_class": shown.data_class,
        "retention_tier": shown.retention_tier,
        "redaction_policy": shown.redaction_policy,
        "purposes": list(shown.purposes),
        "licence": shown.licence,
        "source": shown.source,
        "region": shown.region,
        "version": shown.version,
        "created_at": shown.created_at,
        "updated_at": shown.updated_at,
        "withheld": shown.withheld,
        "withheld_reason": shown.withheld_reason,
    }


@router.get(
    "/entities/{entity_id}",
    auth=Door("graph.entity.read"),
    response={200: schemas.Entity},
    operation_id="getEntity",
    summary="Read an entity",
)
def entity(request: HttpRequest, entity_id: EntityId, purpose: Purpose = None) -> HttpResponse:
    """As this caller may see it: what data class, purpose and redaction policy keep back is altered and named in `withheld`."""
    ctx = context_of(request)
    known = parse_id(entity_id)
    row = graph.get_entity(ctx, known) if known else None
    shown = Viewer(policy.clearance(ctx), ctx.tenant_id).entity(row) if row else None
    if shown is None:
        raise NotFound("there is no such entity", field="entity_id")
    return json_answer(document_of(shown))
