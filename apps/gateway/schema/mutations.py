"""The mutation fields. What is wrong with single inputs comes back as rows; nothing is half-written."""

from typing import Any

import graphene
from graphql import GraphQLResolveInfo

from apps.core.errors import Conflict, InvalidInput
from apps.core.ids import parse_id
from apps.gateway import threads
from apps.gateway.schema import objects as o
from apps.gateway.schema.guards import call_of, guarded
from apps.gateway.schema.scalars import JSON, DateTime
from apps.graph import services as graph
from apps.graph.types import EdgeInput as GraphEdgeInput
from apps.graph.types import EntityInput as GraphEntityInput
from apps.graph.types import InputError
from apps.privacy import services as privacy


class EntityInput(graphene.InputObjectType):
    """An entity to create or update, by `kind` and `externalId`. A field that is left out keeps what stands."""

    kind = graphene.String(required=True)
    external_id = graphene.String(required=True)
    name = graphene.String()
    properties = JSON(description="Replaces all properties.")
    data_class = graphene.String()
    retention_tier = graphene.String()
    redaction_policy = graphene.String()
    purposes = graphene.List(graphene.NonNull(graphene.String))
    licence = graphene.String()
    source = graphene.String()
    subject_keys = graphene.List(graphene.NonNull(graphene.String), description="Keys of the persons that it is about.")
    expected_version = graphene.Int(
        description="The version that stands, or 0 for none; another one refuses the input."
    )


class EdgeInput(graphene.InputObjectType):
    """An edge to create or update. Each end is an id, or a kind and external id."""

    kind = graphene.String(required=True)
    external_id = graphene.String()
    properties = JSON(description="Replaces all properties.")
    source = graphene.ID()
    source_kind = graphene.String()
    source_external_id = graphene.String()
    target = graphene.ID()
    target_kind = graphene.String()
    target_external_id = graphene.String()
    data_class = graphene.String()
    retention_tier = graphene.String()
    redaction_policy = graphene.String()
    purposes = graphene.List(graphene.NonNull(graphene.String))
    licence = graphene.String()
    origin = graphene.String(description="Where the edge was brought from.")
    expected_version = graphene.Int()


class UpsertResult(graphene.ObjectType):
    """What an upsert did. `entities` or `edges` are in input order, without the inputs named in `errors`."""

    created = graphene.Int(required=True)
    updated = graphene.Int(required=True)
    unchanged = graphene.Int(required=True)
    entities = graphene.List(graphene.NonNull(o.Entity), required=True)
    edges = graphene.List(graphene.NonNull(o.Edge), required=True)
    errors = graphene.List(graphene.NonNull(o.InputError), required=True)


class DeleteResult(graphene.ObjectType):
    """What a deletion did."""

    deleted = graphene.Int(required=True, description="Entities deleted.")
    edges_deleted = graphene.Int(required=True, description="Edges deleted with them.")
    unknown = graphene.List(
        graphene.NonNull(graphene.ID), required=True, description="Ids that this tenant does not have."
    )
    errors = graphene.List(
        graphene.NonNull(o.InputError), required=True, description="Why nothing was deleted, such as a legal hold."
    )


class ErasureScope(graphene.Enum):
    """What is asked for: that everything about the subject goes, or that only what must be kept stays."""

    DELETE = "delete"
    MINIMIZE = "minimize"


class ErasureStatus(graphene.Enum):
    """Where a request stands."""

    QUEUED = "queued"
    COMPLETED = "completed"
    REFUSED = "refused"


class ErasureRequest(graphene.ObjectType):
    """A request to erase a subject."""

    id = graphene.ID(description="Null when the request was refused.")
    subject_id = graphene.String(required=True)
    scope = graphene.Field(ErasureScope, required=True)
    status = graphene.Field(ErasureStatus, required=True)
    requested_at = DateTime(description="Null when the request was refused.")
    completed_at = DateTime()
    errors = graphene.List(graphene.NonNull(o.InputError), required=True, description="Why the request was refused.")


def _words(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(given)


def entity_input(given: Any) -> GraphEntityInput:
    """Return an input as the graph takes it."""
    return GraphEntityInput(
        kind=given["kind"],
        external_id=given["external_id"],
        name=given.get("name"),
        properties=given.get("properties"),
        data_class=given.get("data_class"),
        retention_tier=given.get("retention_tier"),
        redaction_policy=given.get("redaction_policy"),
        purposes=_words(given.get("purposes")),
        licence=given.get("licence"),
        source=given.get("source"),
        subject_keys=_words(given.get("subject_keys")),
        expected_version=given.get("expected_version"),
    )


def edge_input(index: int, given: Any) -> GraphEdgeInput | InputError:
    """Return an input as the graph takes it, or what is wrong with an end's id."""
    ends = {}
    for end in ("source", "target"):
        text = given.get(end)
        ends[end] = parse_id(text) if text else None
        if text and ends[end] is None:
            return InputError(index, "BAD_USER_INPUT", end, f"{end} {text[:40]!r} is not an id of this system")
    return GraphEdgeInput(
        kind=given["kind"],
        external_id=given.get("external_id") or "",
        properties=given.get("properties"),
        source_id=ends["source"],
        source_kind=given.get("source_kind") or "",
        source_external_id=given.get("source_external_id") or "",
        target_id=ends["target"],
        target_kind=given.get("target_kind") or "",
        target_external_id=given.get("target_external_id") or "",
        data_class=given.get("data_class"),
        retention_tier=given.get("retention_tier"),
        redaction_policy=given.get("redaction_policy"),
        purposes=_words(given.get("purposes")),
        licence=given.get("licence"),
        source=given.get("origin"),
        expected_version=given.get("expected_version"),
    )


def _renumbered(errors: list[InputError], places: list[int]) -> list[InputError]:
    return [InputError(places[e.index], e.code, e.field, e.message) for e in errors]


class Mutation(graphene.ObjectType):
    """Changes."""

    upsert_entities = graphene.Field(
        UpsertResult,
        required=True,
        input=graphene.List(graphene.NonNull(EntityInput), required=True),
        description="Create or update entities: one transaction, one ledger record. Wrong inputs are refused one by one.",
    )
    upsert_edges = graphene.Field(
        UpsertResult,
        required=True,
        input=graphene.List(graphene.NonNull(EdgeInput), required=True),
        description="Create or update edges: one transaction, one ledger record. Wrong inputs are refused one by one.",
    )
    delete_entities = graphene.Field(
        DeleteResult,
        required=True,
        ids=graphene.List(graphene.NonNull(graphene.ID), required=True),
        description="Delete entities and their edges: one transaction, one ledger record.",
    )

    request_erasure = graphene.Field(
        ErasureRequest,
        required=True,
        subject_id=graphene.String(required=True),
        scope=ErasureScope(required=True),
        description="Ask for a subject to be erased. While a request is open, asking again returns it.",
    )

    @staticmethod
    @guarded("graph.entity.write")
    async def resolve_upsert_entities(root: Any, info: GraphQLResolveInfo, input: list[Any]) -> UpsertResult:
        """Write entities."""
        call = call_of(info)
        result = await threads.run(
            call.ctx, graph.upsert_entities, call.ctx, inputs=[entity_input(given) for given in input]
        )
        entities, _ = call.viewer.entities(row for row in result.rows if row is not None)
        return UpsertResult(
            created=result.created,
            updated=result.updated,
            unchanged=result.unchanged,
            entities=entities,
            edges=[],
            errors=result.errors,
        )

    @staticmethod
    @guarded("graph.edge.write")
    async def resolve_upsert_edges(root: Any, info: GraphQLResolveInfo, input: list[Any]) -> UpsertResult:
        """Write edges."""
        call = call_of(info)
        read = [edge_input(index, given) for index, given in enumerate(input)]
        errors = [given for given in read if isinstance(given, InputError)]
        places = [index for index, given in enumerate(read) if not isinstance(given, InputError)]
        inputs = [given for given in read if not isinstance(given, InputError)]
        result = await threads.run(call.ctx, graph.upsert_edges, call.ctx, inputs=inputs)
        edges, _ = call.viewer.edges(row for row in result.rows if row is not None)
        return UpsertResult(
            created=result.created,
            updated=result.updated,
            unchanged=result.unchanged,
            entities=[],
            edges=edges,
            errors=sorted([*errors, *_renumbered(result.errors, places)], key=lambda error: error.index),
        )

    @staticmethod
    @guarded("graph.entity.delete")
    async def resolve_delete_entities(root: Any, info: GraphQLResolveInfo, ids: list[str]) -> DeleteResult:
        """Delete entities. Under a legal hold nothing is deleted, and the answer says so."""
        call = call_of(info)
        known = {text: parse_id(text) for text in ids}
        wanted = [id_ for id_ in known.values() if id_ is not None]
        try:
            result = await threads.run(call.ctx, graph.delete_entities, call.ctx, ids=wanted)
        except Conflict as error:
            return DeleteResult(
                deleted=0,
                edges_deleted=0,
                unknown=[],
                errors=[InputError(0, error.code, error.field or "ids", error.message)],
            )
        unknown = [text for text, id_ in known.items() if id_ is None] + [str(id_) for id_ in result.unknown]
        return DeleteResult(deleted=result.deleted, edges_deleted=result.edges_deleted, unknown=unknown, errors=[])

    @staticmethod
    @guarded("privacy.erasure.create")
    async def resolve_request_erasure(
        root: Any, info: GraphQLResolveInfo, subject_id: str, scope: Any
    ) -> ErasureRequest:
        """Put a request into the queue."""
        call = call_of(info)
        try:
            found = await threads.run(
                call.ctx, privacy.request_erasure, call.ctx, subject_id=subject_id, scope=str(scope.value)
            )
        except InvalidInput as error:
            refused = InputError(0, error.code, error.field or "subjectId", error.message)
            return ErasureRequest(
                subject_id=subject_id,
                scope=scope.value,
                status=ErasureStatus.REFUSED.value,  # type: ignore[attr-defined]  # graphene makes members of the texts
                errors=[refused],
            )
        return ErasureRequest(
            id=str(found.id),
            subject_id=found.subject_id,
            scope=found.scope,
            status=found.status,
            requested_at=found.requested_at,
            completed_at=found.completed_at,
            errors=[],
        )
