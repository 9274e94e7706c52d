"""Entities and edges as one caller is shown them: tags honoured, what is withheld said. Pure but for the words of the apps below.

Built from rows of the graph and from documents of live updates alike, so both doors show the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.graph.types import EdgeRow, EntityRow
from apps.policy.selectors import shown_properties, shown_text, visibility
from apps.policy.types import Clearance, Tags, Treatment

ASSET = "Asset"


@dataclass(slots=True)
class ShownEntity:
    """An entity as shown. `withheld` names the fields whose values were altered, `withheld_reason` why."""

    id: str
    kind: str
    external_id: str
    name: str
    properties: dict[str, Any]
    data_class: str
    retention_tier: str
    redaction_policy: str
    purposes: Sequence[str]
    licence: str
    source: str
    region: str
    version: int
    created_at: datetime | None
    updated_at: datetime | str
    withheld: list[str] = field(default_factory=list)
    withheld_reason: str | None = None
    event_id: str | None = None
    published_at: str | None = None


@dataclass(slots=True)
class ShownEdge:
    """An edge as shown; `source` and `target` are entity ids."""

    id: str
    kind: str
    external_id: str
    source: str
    target: str
    properties: dict[str, Any]
    data_class: str
    retention_tier: str
    redaction_policy: str
    purposes: Sequence[str]
    licence: str
    origin: str
    version: int
    updated_at: datetime | str
    withheld: list[str] = field(default_factory=list)
    withheld_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: what is clear to them, and the salt that keeps one tenant's hashes apart from another's."""

    clearance: Clearance
    tenant_id: UUID | None

    @property
    def salt(self) -> bytes:
        """The key of redaction hashes."""
        return self.tenant_id.bytes if self.tenant_id else b"none"

    def treatment(self, row: EntityRow | EdgeRow) -> Treatment:
        """Return how a row is to be shown."""
        return visibility(Tags.of(row.data_class, row.redaction_policy, row.purposes), self.clearance).treatment

    def entity(self, row: EntityRow) -> ShownEntity | None:
        """Return an entity as shown, or None when it is withheld."""
        shown = ShownEntity(
            str(row.id),
            row.kind,
            row.external_id,
            row.name,
            row.properties,
            row.data_class,
            row.retention_tier,
            row.redaction_policy,
            row.purposes,
            row.licence,
            row.source,
            row.region,
            row.version,
            row.created_at,
            row.updated_at,
        )
        return self._redact_entity(shown)

    def entity_document(self, document: Mapping[str, Any]) -> ShownEntity | None:
        """Return the entity of a live update as shown, or None when it is withheld."""
        d = document
        shown = ShownEntity(
            d["id"],
            d["kind"],
            d["externalId"],
            d["name"],
            d["properties"],
            d["dataClass"],
            d["retentionTier"],
            d["redactionPolicy"],
            d["purposes"],
            d["licence"],
            d["source"],
            d["region"],
            d["version"],
            None,
            d["updatedAt"],
        )
        return self._redact_entity(shown)

    def edge(self, row: EdgeRow) -> ShownEdge | None:
        """Return an edge as shown, or None when it is withheld."""
        shown = ShownEdge(
            str(row.id),
            row.kind,
            row.external_id,
            str(row.source_id),
            str(row.target_id),
            row.properties,
            row.data_class,
            row.retention_tier,
            row.redaction_policy,
            row.purposes,
            row.licence,
            row.source,
            row.version,
            row.updated_at,
        )
        return self._redact_edge(shown)

    def edge_document(self, document: Mapping[str, Any]) -> ShownEdge | None:
        """Return the edge of a live update as shown, or None when it is withheld."""
        d = document
        shown = ShownEdge(
            d["id"],
            d["kind"],
            d["externalId"],
            d["source"],
            d["target"],
            d["properties"],
            d["dataClass"],
            d["retentionTier"],
            d["redactionPolicy"],
            d["purposes"],
            d["licence"],
            d["origin"],
            d["version"],
            d["updatedAt"],
        )
        return self._redact_edge(shown)

    def entities(self, rows: Iterable[EntityRow]) -> tuple[list[ShownEntity], int]:
        """Return (the entities that may be shown, how many are withheld)."""
        all_shown = [self.entity(row) for row in rows]
        shown = [entity for entity in all_shown if entity is not None]
        return shown, len(all_shown) - len(shown)

    def edges(self, rows: Iterable[EdgeRow]) -> tuple[list[ShownEdge], int]:
        """Return (the edges that may be shown, how many are withheld)."""
        all_shown = [self.edge(row) for row in rows]
        shown = [edge for edge in all_shown if edge is not None]
        return shown, len(all_shown) - len(shown)

    def _redact_entity(self, shown: ShownEntity) -> ShownEntity | None:
        seen = visibility(Tags(shown.data_class, shown.redaction_policy, tuple(shown.purposes)), self.clearance)
        if seen.treatment is Treatment.WITHHOLD:
            return None
        if seen.treatment is not Treatment.CLEAR:
            shown.name = shown_text(shown.name, seen.treatment, self.salt)
            shown.external_id = shown_text(shown.external_id, seen.treatment, self.salt)
            shown.properties = shown_properties(shown.properties, seen.treatment, self.salt)
            shown.withheld, shown.withheld_reason = ["name", "externalId", "properties"], seen.reason
        return shown

    def _redact_edge(self, shown: ShownEdge) -> ShownEdge | None:
        seen = visibility(Tags(shown.data_class, shown.redaction_policy, tuple(shown.purposes)), self.clearance)
        if seen.treatment is Treatment.WITHHOLD:
            return None
        if seen.treatment is not Treatment.CLEAR:
            shown.external_id = shown_text(shown.external_id, seen.treatment, self.salt)
            shown.properties = shown_properties(shown.properties, seen.treatment, self.salt)
            shown.withheld, shown.withheld_reason = ["externalId", "properties"], seen.reason
        return shown
