"""Verbs of proposals: what one member of staff asks for, another approves or rejects; what nobody decides on expires.

A proposal that is applied, its act and both records are one transaction: none of them is there without the others.
"""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import orjson
from django.db import transaction

from apps.bus import services as bus
from apps.core.admin.roof import Draft
from apps.core.context import Context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.policy import services as policy
from apps.portal.events import ProposalApplied, ProposalExpired, ProposalMade, ProposalRejected
from apps.portal.models import Proposal
from apps.portal.types import ProposalState

DECIDE = "platform.proposal.decide"
LASTS = timedelta(days=7)
MOST_OPEN = 200
MOST_AT_ONCE = 500
MAX_REASON = 500


def propose(ctx: Context, *, draft: Draft) -> UUID:
    """Keep a draft for a second person and return the proposal's id.

    Raises Forbidden or StepUpRequired when the caller could not do it themselves, Conflict when the same is proposed
    already or too much is open.
    """
    verdict = policy.require(ctx, draft.action)
    with system_scope("portal.admin"), transaction.atomic(using="system"):
        open_ = Proposal.objects.select_for_update().filter(state=ProposalState.OPEN)
        standing = list(open_.values_list("model", "verb", "object_id", "answers"))
        answers = {name: list(values) for name, values in draft.answers.items()}
        if (draft.model, draft.verb, draft.key, answers) in standing:
            raise Conflict("the same is proposed already", mend="Ask somebody to decide on it.")
        if len(standing) >= MOST_OPEN:
            raise Conflict("too many proposals wait for a decision", mend="Decide on some of them first.")
        row = Proposal(
            id=new_id(),
            tenant_id=draft.tenant_id,
            model=draft.model,
            verb=draft.verb,
            label=draft.label,
            action=draft.action,
            object_id=draft.key,
            about=draft.about,
            answers=answers,
            changes=[list(one) for one in draft.changes],
            verdict={"rule": verdict.rule, "reason": verdict.reason, "revision": verdict.revision},
            made_by=UUID(ctx.actor.id),
            made_at=ctx.now,
            expires_at=ctx.now + LASTS,
        )
        row.save(force_insert=True)
        digest = sha256(orjson.dumps([row.answers, row.changes], option=orjson.OPT_SORT_KEYS)).hexdigest()
        event = ProposalMade(row.id, row.model, row.verb, row.object_id, digest)
        bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)
    return row.id


def _open(ctx: Context, proposal_id: UUID) -> Proposal:
    """Return the proposal, held until the transaction ends. Raises NotFound, Conflict unless a decision is still due."""
    row = Proposal.objects.select_for_update().filter(id=proposal_id).first()
    if row is None:
        raise NotFound("no such proposal")
    if row.state != ProposalState.OPEN:
        raise Conflict(f"it is {row.state} already")
    if row.expires_at <= ctx.now:
        raise Conflict("it has expired", mend="Propose it anew.")
    return row


def approve(ctx: Context, *, proposal_id: UUID, apply: Callable[[Proposal], str]) -> str:
    """Apply a proposal of somebody else's and return what `apply` says of it.

    Raises Forbidden for one's own and for who may not do the act themselves, StepUpRequired, Conflict, and what `apply`
    raises; then nothing is changed, and the proposal stays open.
    """
    policy.require(ctx, DECIDE)
    with system_scope("portal.admin"), transaction.atomic(using="system"):
        row = _open(ctx, proposal_id)
        if str(row.made_by) == ctx.actor.id:
            raise Forbidden("you proposed this, so somebody else decides", mend="Ask another member of staff.")
        policy.require(ctx, row.action)
        said = apply(row)
        row.state, row.decided_by, row.decided_at, row.outcome = (
            ProposalState.APPLIED,
            UUID(ctx.actor.id),
            ctx.now,
            said,
        )
        row.save(update_fields=["state", "decided_by", "decided_at", "outcome"])
        event = ProposalApplied(row.id, row.model, row.verb, row.object_id, row.made_by)
        bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)
    return said


def reject(ctx: Context, *, proposal_id: UUID, reason: str) -> None:
    """Close a proposal without applying it; its maker may do so too. Raises InvalidInput without a reason, Conflict."""
    policy.require(ctx, DECIDE)
    reason = " ".join(reason.split())
    if not reason or len(reason) > MAX_REASON:
        raise InvalidInput(f"a reason of 1 to {MAX_REASON} characters is needed", field="reason")
    with system_scope("portal.admin"), transaction.atomic(using="system"):
        row = _open(ctx, proposal_id)
        row.state, row.decided_by, row.decided_at, row.outcome = (
            ProposalState.REJECTED,
            UUID(ctx.actor.id),
            ctx.now,
            reason,
        )
        row.save(update_fields=["state", "decided_by", "decided_at", "outcome"])
        event = ProposalRejected(row.id, row.model, row.verb, row.object_id, row.made_by, reason)
        bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)


def expire(ctx: Context) -> int:
    """Close the proposals on which nobody decided in time and return how many; running it twice changes nothing more."""
    with system_scope("portal.admin"), transaction.atomic(using="system"):
        due = Proposal.objects.select_for_update(skip_locked=True).filter(
            state=ProposalState.OPEN, expires_at__lte=ctx.now
        )[:MOST_AT_ONCE]
        rows = list(due)
        for row in rows:
            row.state, row.decided_at = ProposalState.EXPIRED, ctx.now
            row.save(update_fields=["state", "decided_at"])
            event = ProposalExpired(row.id, row.model, row.verb, row.object_id, row.made_by)
            bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)
    return len(rows)
