"""What tenants hold, as platform staff may see it: keys, tags and versions; contents only within their clearance."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import PlatformAdmin, Version, context_of, filters, shown
from apps.core.ids import parse_id
from apps.graph import selectors
from apps.graph.models import Edge, Entity
from apps.graph.types import DataClass
from apps.ledger import selectors as ledger
from apps.policy import services as policy
from apps.policy.selectors import visibility
from apps.policy.types import Clearance, Tags, Treatment

CLASSES = {
    DataClass.PUBLIC: ("neutral", ""),
    DataClass.INTERNAL: ("neutral", ""),
    DataClass.CONFIDENTIAL: ("info", "lock"),
    DataClass.PERSONAL: ("warn", "user-round"),
    DataClass.SENSITIVE: ("danger", "shield"),
}
LARGE = ("properties", "content_hash", "subject_keys")
"""Fields that lists do not read."""
RELATIONS = 30
HISTORY = 30


class TaggedAdmin(PlatformAdmin):
    """What entities and edges share."""

    read_action = "platform.graph.read"
    tenant_column = "tenant_id"
    list_filter = (
        filters.TenantFilter,
        filters.exact("kind", "kind", "such as Organisation", within_tenant=True),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows without their contents, which only a detail page reads."""
        return cast("QuerySet[Any]", super().get_queryset(request)).defer(*self.large)

    large: tuple[str, ...] = ("properties", "content_hash")

    def prepare(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Find out how each row may be shown to the caller."""
        super().prepare(request, rows)
        seen = policy.clearance(context_of(request))
        for row in rows:
            row.__dict__["ig_seen"] = self._seen(row, seen)

    def _seen(self, row: Any, clearance: Clearance) -> Any:
        return visibility(Tags.of(row.data_class, row.redaction_policy, row.purposes), clearance)

    def _clear(self, row: Any) -> bool:
        return bool(row.__dict__["ig_seen"].treatment is Treatment.CLEAR)

    @admin.display(description="data class")
    def class_mark(self, obj: Any) -> shown.Mark:
        """How sensitive it is."""
        known = obj.data_class in set(DataClass)
        return shown.Mark(obj.data_class, *(CLASSES[DataClass(obj.data_class)] if known else ("danger", "shield")))

    @admin.display(description="external id")
    def external(self, obj: Any) -> Any:
        """The key in its source, where staff may see it."""
        return shown.Text(obj.external_id or "–", code=True) if self._clear(obj) else shown.Withheld(self._why(obj))

    def label_of(self, obj: Any) -> str:
        """The name where staff may see it, else kind and id."""
        return str(obj) if self._clear(obj) else f"{obj.kind} {obj.pk}"

    def _why(self, obj: Any) -> str:
        reason = obj.__dict__["ig_seen"].reason
        return "kept for another purpose" if reason == "purpose" else f"{obj.data_class} data"

    @admin.display(description="properties")
    def properties_shown(self, obj: Any) -> Any:
        """The properties, where staff may see them."""
        if self._clear(obj):
            return shown.Document.of_json(obj.properties)
        return shown.Withheld(f"{len(obj.properties)} properties: {self._why(obj)}")

    @admin.display(description="id")
    def id_copy(self, obj: Any) -> shown.Copyable:
        """The id, to copy."""
        return shown.Copyable(str(obj.pk), "id")

    def told(self, request: HttpRequest, obj: Any) -> Sequence[Any]:
        """Every version, with what stood before and after where it is kept and may be seen."""
        changes = ledger.history_of(obj.tenant_id, obj.pk, limit=HISTORY + 1)
        documents = selectors.documents(obj.tenant_id, [(obj.pk, item.version) for _, _, item in changes])
        hidden = not self._clear(obj)
        versions = [item.version for _, _, item in changes]
        told = [
            Version(
                record.record_id,
                record.number,
                record.hash,
                item.op,
                item.version,
                record.actor,
                record.at,
                documents.get((obj.pk, before)),
                documents.get((obj.pk, item.version)),
                hidden,
            )
            for (record, _, item), before in zip(changes, [*versions[1:], 0], strict=True)
        ]
        return self.roof.versions_told(request, told[:HISTORY])


def _edges(obj: Entity, column: str) -> list[tuple[Any, ...]]:
    other = "target_entity_id" if column == "source_entity_id" else "source_entity_id"
    rows = (
        Edge.objects.filter(tenant_id=obj.tenant_id, **{column: obj.pk})
        .only("id", "kind", other)
        .order_by("kind", "id")
    )
    return [(row.pk, row.kind, getattr(row, other)) for row in rows[:RELATIONS]]


@admin.register(Entity)
class EntityAdmin(TaggedAdmin):
    """Entities of all tenants, newest first."""

    about = "What tenants hold. Staff see keys, tags and versions; contents only of public and internal data."
    empty = "No entity fits."
    large = LARGE
    search_hint = "id; within a tenant also external id or the beginning of a name"
    list_display = ("entity", "kind", "tenant_label", "class_mark", "external", "version", "updated_at")
    list_matters = ("entity", "kind")
    list_numeric = ("version",)
    detail = (
        ("Entity", ("entity", "kind", "tenant_label", "external", "version", "id_copy")),
        ("Tags", ("class_mark", "retention_tier", "redaction_policy", "purposes", "region")),
        ("Where it comes from", ("source", "licence", "created_at", "updated_at")),
        ("Properties", ("properties_shown",)),
    )

    def found(self, request: HttpRequest, rows: QuerySet[Entity], term: str) -> QuerySet[Entity]:
        """By id; within a tenant by external id or the beginning of a name, each by its index."""
        key = parse_id(term)
        if key:
            return rows.filter(pk=key)
        if not request.GET.get("tenant", "").strip():
            return rows.none()
        rows = rows.filter(
            data_class__in=policy.clearance(context_of(request)).data_classes
        )  # a hit would tell a masked name
        exact = rows.filter(external_id=term)
        return exact if exact.exists() else rows.filter(name__gte=term, name__lt=term + "\U0010ffff")

    @admin.display(description="name")
    def entity(self, obj: Entity) -> Any:
        """The name where staff may see it, else the id."""
        return shown.Text(obj.name or obj.external_id) if self._clear(obj) else shown.Text(str(obj.pk), code=True)

    def panels(self, request: HttpRequest, obj: Entity) -> Sequence[shown.Panel]:
        """The first edges in both directions, by id."""
        heads = ("Kind", "Other end", "Edge")
        return tuple(
            shown.Panel(
                title,
                heads,
                [
                    (
                        kind,
                        shown.Link(str(other), self.address_of("graph.entity", other), code=True),
                        shown.Link("open", self.address_of("graph.edge", edge)),
                    )
                    for edge, kind, other in _edges(obj, column)
                ],
                empty,
                f"at most {RELATIONS}",
            )
            for title, column, empty in (
                ("Relations from it", "source_entity_id", "No relation leads from it."),
                ("Relations to it", "target_entity_id", "No relation leads to it."),
            )
        )


@admin.register(Edge)
class EdgeAdmin(TaggedAdmin):
    """Edges of all tenants, newest first."""

    noun, nouns = "relation", "relations"
    about = "Directed relations between two entities of one tenant."
    empty = "No edge fits."
    search_hint = "id of the edge"
    list_display = ("edge", "tenant_label", "source_link", "target_link", "class_mark", "version", "updated_at")
    list_matters = ("edge", "tenant_label")
    list_numeric = ("version",)
    detail = (
        ("Edge", ("kind", "tenant_label", "source_link", "target_link", "external", "version", "id_copy")),
        ("Tags", ("class_mark", "retention_tier", "redaction_policy", "purposes")),
        ("Where it comes from", ("source", "licence", "created_at", "updated_at")),
        ("Properties", ("properties_shown",)),
    )

    @admin.display(description="kind")
    def edge(self, obj: Edge) -> str:
        """What kind of relation it is."""
        return obj.kind

    def _end(self, key: UUID) -> shown.Link:
        return shown.Link(str(key), self.address_of("graph.entity", key), code=True)

    @admin.display(description="from")
    def source_link(self, obj: Edge) -> shown.Link:
        """Where it begins."""
        return self._end(obj.source_entity_id)

    @admin.display(description="to")
    def target_link(self, obj: Edge) -> shown.Link:
        """Where it ends."""
        return self._end(obj.target_entity_id)
