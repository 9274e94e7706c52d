"""Reads of the portal's own rows."""

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from apps.core.context import Context
from apps.portal.models import Proposal, SavedFilter
from apps.portal.types import KeptFilter, ProposalState


def open_proposals(now: datetime) -> int:
    """Return how many proposals of staff wait for a second person (system scope)."""
    return Proposal.objects.filter(state=ProposalState.OPEN, expires_at__gt=now).count()


def kept_filters(ctx: Context, list_: str) -> list[KeptFilter]:
    """Return the filters of a list that the caller sees in the tenant in scope: shared ones first, each by name."""
    me = UUID(ctx.actor.id)
    rows = SavedFilter.objects.filter(Q(shared=True) | Q(owner_id=me), list=list_).order_by("-shared", "name")
    return [KeptFilter(row.id, row.name, dict(row.state), row.shared, row.owner_id == me) for row in rows]
