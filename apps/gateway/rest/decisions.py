"""Policy's decisions over REST: list them, and say why one fell as it did."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from apps.core.clock import iso
from apps.core.errors import NotFound
from apps.core.ids import parse_id
from apps.gateway.rest import schemas
from apps.gateway.rest.answers import json_answer
from apps.gateway.rest.door import Door, context_of
from apps.gateway.rest.words import Uuid
from apps.policy import selectors
from apps.policy import services as policy

router = Router(tags=["Policy"])
BASE = "/api/v1/policy/decisions"
MOST = 200

DecisionId = Annotated[Uuid, Path(description="The decision's id, as a refusal names it.")]


def document_of(row: Any) -> dict[str, Any]:
    """Return a logged decision as REST gives it."""
    return {
        "id": str(row.id),
        "at": iso(row.at),
        "stage": row.stage,
        "action": row.action,
        "outcome": row.outcome,
        "rule": row.rule,
        "reason": row.reason,
        "hits": list(row.hits),
        "facts": row.facts,
        "redact": row.redact,
        "actor": row.actor,
        "purpose": row.purpose,
        "request_id": row.request_id,
        "revision": row.revision,
        "share": row.share,
    }


@router.get(
    "/policy/decisions",
    auth=Door("policy.decision.read"),
    response={200: schemas.Decisions},
    operation_id="listDecisions",
    summary="List decisions of policy, newest first",
)
def decisions(
    request: HttpRequest,
    outcome: Annotated[Literal["allow", "deny", "step_up"] | None, Query(description="Only of this outcome.")] = None,
    actor: Annotated[
        str | None,
        Query(max_length=100, pattern="^[A-Za-z0-9_.:/-]+$", description="Only of this actor, such as `key:…`."),
    ] = None,
    request_id: Annotated[
        str | None, Query(max_length=64, pattern="^[A-Za-z0-9._-]{8,64}$", description="Only of this request.")
    ] = None,
    first: Annotated[int, Query(ge=1, le=MOST, description="How many.")] = 50,
    after: Annotated[Uuid | None, Query(description="The cursor `next` of the page before: an id.")] = None,
) -> HttpResponse:
    """Refusals and step-ups are all logged; so are allows of grave actions. Of other allows `share` says which part is."""
    rows = selectors.decisions(
        context_of(request),
        outcome=outcome or "",
        actor=actor or "",
        request_id=request_id or "",
        before=parse_id(after) if after else None,
        first=first + 1,
    )
    more = str(rows[first - 1].id) if len(rows) > first else None
    headers = {"Link": f'<{BASE}?first={first}&after={more}>; rel="next"'} if more else {}
    return json_answer({"items": [document_of(row) for row in rows[:first]], "next": more}, headers=headers)


@router.get(
    "/policy/decisions/{decision_id}",
    auth=Door("identity.self.read"),
    response={200: schemas.DecisionWhy},
    operation_id="explainDecision",
    summary="Explain a decision of policy",
)
def decision(request: HttpRequest, decision_id: DecisionId) -> HttpResponse:
    """Which rules matched, on which facts, and what the present rules would say (`now`; null for questions of sessions).

    Everyone may ask about their own; those of others need `policy.decision.read`. An entry is written within a second.
    """
    ctx = context_of(request)
    known = parse_id(decision_id)
    row = selectors.decision(ctx, known) if known else None
    if row is None or (row.actor != ctx.actor.ref and not policy.decide(ctx, "policy.decision.read").allow):
        raise NotFound("there is no such decision", field="decision_id")
    now = selectors.again(row)
    told = None
    if now is not None:
        told = {"outcome": now.outcome.value, "rule": now.rule, "reason": now.reason, "revision": now.revision}
    return json_answer(document_of(row) | {"now": told})
