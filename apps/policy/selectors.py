"""Reads of policy: how tagged data is shown to a caller, what the pack grants, the log of decisions."""

from collections.abc import Mapping
from uuid import UUID

from apps.core.context import Context
from apps.core.scope import require_tenant_id
from apps.policy import packs, postures
from apps.policy.models import DecisionEntry
from apps.policy.redaction import MASKED, shown_properties, shown_text
from apps.policy.replay import again
from apps.policy.rulings import revision, visibility
from apps.policy.types import DecisionInfo, FenceInfo

MOST = 200

__all__ = [
    "MASKED",
    "again",
    "decision",
    "decisions",
    "fence",
    "grants",
    "open_actions",
    "revision",
    "shown_properties",
    "shown_text",
    "visibility",
]


def grants() -> Mapping[str, Mapping[str, Mapping[str, list[str]]]]:
    """Return who is granted what: `roles`, `scopes`, `platform_roles`, each by name, with `grants` and `clear`."""
    said = packs.shipped().data["ig"]["grants"]
    return {part: said[part] for part in ("roles", "scopes", "platform_roles")}


def open_actions() -> tuple[frozenset[str], frozenset[str]]:
    """Return the actions that are open to everyone, and those open to everyone who is signed in."""
    said = packs.shipped().data["ig"]["grants"]
    return frozenset(said["anonymous"]), frozenset(said["signed_in"])


def fence() -> FenceInfo:
    """Return the fence of the tenant in scope."""
    return postures.fence_of(require_tenant_id())


def _told(row: DecisionEntry) -> DecisionInfo:
    return DecisionInfo(
        id=row.id,
        at=row.at,
        stage=row.stage,
        action=row.action,
        outcome=row.outcome,
        rule=row.rule,
        reason=row.reason,
        hits=tuple(row.hits),
        facts=row.facts,
        redact=row.redact,
        actor=row.actor,
        purpose=row.purpose,
        request_id=row.request_id,
        revision=row.revision,
        share=row.share,
    )


def decision(ctx: Context, decision_id: UUID) -> DecisionInfo | None:
    """Return an entry of the log of the tenant in scope, or None."""
    row = DecisionEntry.objects.filter(id=decision_id).first()
    return _told(row) if row is not None else None


def decisions(
    ctx: Context,
    *,
    outcome: str = "",
    actor: str = "",
    request_id: str = "",
    before: UUID | None = None,
    first: int = 50,
) -> list[DecisionInfo]:
    """Return entries of the log of the tenant in scope, newest first, at most `first`, older than `before`."""
    rows = DecisionEntry.objects.order_by("-id")
    if outcome:
        rows = rows.filter(outcome=outcome)
    if actor:
        rows = rows.filter(actor=actor)
    if request_id:
        rows = rows.filter(request_id=request_id)
    if before is not None:
        rows = rows.filter(id__lt=before)
    return [_told(row) for row in rows[: max(1, min(first, MOST + 1))]]
