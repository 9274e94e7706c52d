"""Incidents as a live stream. No part of the product publishes any yet; what will is shown as it is declared here."""

from collections.abc import Sequence
from uuid import UUID

import graphene

from apps.core.errors import InvalidInput
from apps.core.ids import parse_id
from apps.gateway.realtime.shapes import Source
from apps.gateway.realtime.wire import Change, Cursor
from apps.gateway.schema.scalars import DateTime

READ = "incidents.incident.read"
REF_KIND = "incident"
SEVERITIES = ("low", "medium", "high", "critical")


class Incident(graphene.ObjectType):
    """Something that went wrong, and how far its handling is."""

    event_id = graphene.String(required=True, description="The cursor to resume from.")
    published_at = DateTime(required=True, description="When the ledger numbered the change.")
    id = graphene.ID(required=True)
    op = graphene.String(required=True, description="created, updated or deleted.")
    version = graphene.Int(required=True)
    title = graphene.String(description="Null once it is deleted; so are the fields below.")
    severity = graphene.String(description=f"{', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}.")
    state = graphene.String(description="open, acknowledged, mitigated, resolved or closed.")
    opened_at = DateTime()
    resolved_at = DateTime()

    @classmethod
    def shown(cls, change: Change) -> "Incident":
        """Return what a change of an incident tells."""
        document = change.document or {}
        return cls(
            event_id=change.event_id,
            published_at=change.published_at,
            id=change.ref_id,
            op=change.op,
            version=change.version,
            title=document.get("title"),
            severity=document.get("severity"),
            state=document.get("state"),
            opened_at=document.get("openedAt"),
            resolved_at=document.get("resolvedAt"),
        )


def source(
    tenant_id: UUID,
    id_: str | None,
    severities: Sequence[str] | None,
    since: Cursor | None,
    coalesce_s: float,
) -> Source:
    """Return the tenant's incidents: one, or those of these severities. Raises InvalidInput for what names none.

    A deleted incident is told whatever its severity was: nothing is left to judge it by.
    """
    wanted = None
    if id_ is not None:
        found = parse_id(id_)
        if found is None:
            raise InvalidInput("id is not an id of this system", field="id")
        wanted = str(found)
    if severities is not None and (unknown := sorted(set(severities) - set(SEVERITIES))):
        raise InvalidInput(f"{unknown[0]!r} is not a severity", field="severities", mend=f"use {', '.join(SEVERITIES)}")
    chosen = None if severities is None else frozenset(severities)

    def wants(change: Change) -> bool:
        if change.ref_kind != REF_KIND or (wanted is not None and change.ref_id != wanted):
            return False
        return chosen is None or change.document is None or change.document.get("severity") in chosen

    return Source(tenant_id, "incidentUpdated", wants, since, coalesce_s, wanted)
