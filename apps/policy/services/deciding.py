"""Verbs of policy: may this caller do this, is this session trusted, what is shown in clear."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden, StepUpRequired, Unauthenticated
from apps.core.sockets import ACTIONS
from apps.identity.types import SCOPE_ROLES, STEP_UP_FRESHNESS, Role
from apps.policy import journal, postures, rulings, travel
from apps.policy.assessment import is_fresh
from apps.policy.services.travelling import note_place
from apps.policy.types import Assessment, Clearance, Decision, Risk, Stage

MAX_AGE_S = int(STEP_UP_FRESHNESS.total_seconds())
"""How old a second factor may be, as the challenge of RFC 9470 says it."""
READ = "graph.entity.read"


def _everyday() -> Iterator[rulings.Question]:
    """Yield what requests will ask most: may keys of each scope set, and people of each role, read.

    Every other question is asked by its first request, which waits a millisecond for it.
    """
    callers: list[tuple[str, frozenset[str], frozenset[str] | None]]
    callers = [("key", frozenset(roles), frozenset({scope})) for scope, roles in SCOPE_ROLES.items()]
    callers += [("user", frozenset({role.value}), None) for role in Role]
    for actor, roles, scopes in callers:
        yield rulings.Question(actor, True, roles, scopes, frozenset(), READ, True, False, False)


def clearance(ctx: Context) -> Clearance:
    """Return what the caller may see in clear."""
    return rulings.clearance(
        ctx.actor.kind.value, ctx.tenant_id is not None, ctx.roles, ctx.scopes, ctx.platform_roles, ctx.purpose
    )


def decide(ctx: Context, action: str) -> Decision:
    """Return whether the caller may do `action`, and by which rule. Unknown actions are refused."""
    known = action in ACTIONS
    grave = known and ACTIONS.get(action).step_up
    return rulings.decision(
        ctx.actor.kind.value,
        ctx.tenant_id is not None,
        ctx.roles,
        ctx.scopes,
        ctx.platform_roles,
        action,
        known,
        grave,
        grave and ctx.actor.kind is ActorKind.USER and is_fresh(ctx.session.second_factor_at, ctx.now),
        ctx.purpose,
    )


def require(ctx: Context, action: str) -> Decision:
    """Return the decision when it allows; what was decided is logged (allows of everyday actions as a sample).

    Raises Unauthenticated for a caller who is nobody, StepUpRequired when a fresh second factor is missing, else
    Forbidden. `decision` among their details names the entry of the log that says why.
    """
    decision = decide(ctx, action)
    if decision.allow:
        if journal.wanted(action):
            journal.note(ctx, Stage.ACCESS, action, decision)
        return decision
    if ctx.actor.kind is ActorKind.ANONYMOUS:
        raise Unauthenticated(decision.reason, mend="send Authorization: Bearer with an API key, or sign in")
    entry = journal.note(ctx, Stage.ACCESS, action, decision)
    named = {"decision": str(entry)} if entry else {}
    if decision.step_up:
        raise StepUpRequired(
            decision.reason,
            mend="confirm with your second factor, then send the request again",
            action=action,
            max_age=MAX_AGE_S,
            **named,
        )
    raise Forbidden(decision.reason, action=action, rule=decision.rule, **named)


def assess(ctx: Context) -> Assessment:
    """Return zero trust's verdict on the caller's session: what the request and its token say, what identity providers
    signalled since, and the tenant's fence. The gravest of what is said about one thing counts."""
    facts = ctx.session
    if ctx.tenant_id is None:
        fence, known = postures.OPEN, postures.NOTHING
    else:
        fence = postures.fence_of(ctx.tenant_id)
        known = postures.posture_of(ctx.tenant_id, ctx.actor.ref)
    confirmed = facts.second_factor_at
    if known.confirm_since is not None and confirmed is not None and confirmed <= known.confirm_since:
        confirmed = None
    risk = max(facts.risk, known.risk, key=_gravity)
    if known.confirm_since is not None and confirmed is None:
        risk = max(risk, Risk.MEDIUM.value, key=_gravity)
    return rulings.assessment(
        risk,
        _device(facts.device_trusted, known.device),
        facts.country,
        fence.countries,
        is_fresh(confirmed, ctx.now),
        known.account,
        known.ended_at is not None and (facts.authenticated_at is None or facts.authenticated_at <= known.ended_at),
    )


def sound_until(ctx: Context) -> datetime | None:
    """Return when zero trust will find the session unsound for no other reason than time: when its second factor is not
    fresh any more, where only a fresh one lets it pass. None where time alone changes nothing."""
    if ctx.actor.kind is not ActorKind.USER and not ctx.session.id:
        return None
    given = ctx.session.second_factor_at
    if given is None or not is_fresh(given, ctx.now):
        return None
    last = given + STEP_UP_FRESHNESS
    after = ctx.but(clock=lambda: last + timedelta.resolution)
    return None if assess(after).allow else last


def _gravity(risk: str) -> int:
    return {Risk.LOW: 0, Risk.MEDIUM: 1}.get(risk, 2)  # type: ignore[call-overload]


def _device(said: bool | None, signalled: str) -> str:
    if said is False or signalled == "untrusted":
        return "untrusted"
    return "trusted" if said or signalled == "trusted" else "unknown"


def assess_session(ctx: Context) -> None:
    """Let a session pass that zero trust finds sound: a person's, or that of a token holder of an identity provider.
    Where it is is compared with where its caller was last.

    Raises StepUpRequired or Forbidden with the signal that decided and what to do about it.
    """
    if ctx.actor.kind is not ActorKind.USER and not ctx.session.id:
        return
    note_place(ctx)
    verdict = assess(ctx)
    if verdict.allow:
        return
    entry = journal.note(ctx, Stage.SESSION, verdict.signal, verdict)
    named = {"decision": str(entry)} if entry else {}
    if verdict.step_up:
        named["source"] = _source(ctx)
        raise StepUpRequired(verdict.reason, mend=verdict.mend, signal=verdict.signal, max_age=MAX_AGE_S, **named)
    raise Forbidden(verdict.reason, mend=verdict.mend, signal=verdict.signal, **named)


def _source(ctx: Context) -> str:
    """Return by whose word a session must be confirmed: its identity provider asked for a `factor` anew or signalled a
    risk (`provider`), it is in two places at once (`travel`), else the `session` says so itself (its token, or the proxy
    in front of us)."""
    known = postures.NOTHING if ctx.tenant_id is None else postures.posture_of(ctx.tenant_id, ctx.actor.ref)
    if _gravity(ctx.session.risk) >= max(_gravity(known.risk), _gravity(Risk.MEDIUM)):
        return "session"
    if _gravity(known.risk) >= _gravity(Risk.MEDIUM):
        return "provider"
    return "travel" if known.confirm_why == travel.SAID else "factor"


def warm() -> None:
    """Compile the pack and ask what requests will ask first, so that no request pays for it."""
    rulings.warm(_everyday())
