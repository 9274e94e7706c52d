"""Verbs of policy: may this caller do this, is this session trusted, what is shown in clear."""

from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden, StepUpRequired, Unauthenticated
from apps.core.sockets import ACTIONS
from apps.policy import assessment, rules
from apps.policy.types import Clearance, Decision


def clearance(ctx: Context) -> Clearance:
    """Return what the caller may see in clear."""
    if ctx.actor.kind is ActorKind.SERVICE:
        return Clearance(rules.ROLE_CLEARANCE["owner"], ctx.purpose, machine=True)
    cleared = rules.cleared_classes(ctx.roles, ctx.scopes)
    if ctx.tenant_id is None:
        cleared |= rules.platform_classes(ctx.platform_roles)
    return Clearance(cleared, ctx.purpose, machine=ctx.actor.kind is ActorKind.API_KEY)


def decide(ctx: Context, action: str) -> Decision:
    """Return whether the caller may do `action`, and by which rule. Unknown actions are refused."""
    seen = clearance(ctx)
    if ctx.actor.kind is ActorKind.ANONYMOUS:
        if action in rules.ANONYMOUS_ACTIONS:
            return Decision(True, "open to all", "anonymous", clearance=seen)
        return Decision(False, "sign in or send a key first", "anonymous")
    if action in rules.EVERYONE_SIGNED_IN:
        return Decision(True, "open to every signed-in caller", "signed-in", clearance=seen)
    if action not in ACTIONS:
        return Decision(False, f"{action} is no action that policy knows", "unknown-action")
    if ctx.actor.kind is ActorKind.SERVICE:
        return Decision(True, "one of our own services", "service", clearance=seen)
    rule = rules.granting(rules.PLATFORM_GRANTS, ctx.platform_roles, action)
    if rule is None and ctx.tenant_id is not None:
        rule = rules.granting(rules.ROLE_GRANTS, ctx.roles, action)
        by_key_alone = rule is None and not ctx.roles and ctx.actor.kind is ActorKind.API_KEY
        if ctx.scopes is not None and (rule is not None or by_key_alone):
            scope = rules.granting(rules.SCOPE_GRANTS, ctx.scopes, action)
            if scope is None:
                held = ", ".join(sorted(ctx.scopes)) or "no scope"
                return Decision(False, f"this key is limited to {held}, which does not allow {action}", "scope")
            rule = f"scope {scope}" if rule is None else f"{rule}, scope {scope}"
    if rule is None:
        held = ", ".join(sorted(ctx.roles | ctx.platform_roles)) or "no role here"
        return Decision(False, f"{action} is not allowed for {held}", "default")
    wants_step_up = ACTIONS.get(action).step_up and ctx.actor.kind is ActorKind.USER
    if wants_step_up and not assessment.is_fresh(ctx.session.second_factor_at, ctx.now):
        return Decision(False, f"{action} needs a fresh second factor", rule, step_up=True)
    return Decision(True, "allowed by role or scope", rule, clearance=seen)


def require(ctx: Context, action: str) -> Decision:
    """Return the decision when it allows.

    Raises Unauthenticated for a caller who is nobody, StepUpRequired when a fresh second factor is missing, else
    Forbidden.
    """
    decision = decide(ctx, action)
    if decision.allow:
        return decision
    if ctx.actor.kind is ActorKind.ANONYMOUS:
        raise Unauthenticated(decision.reason, mend="send Authorization: Bearer with an API key, or sign in")
    if decision.step_up:
        raise StepUpRequired(
            decision.reason, mend="confirm with your second factor, then send the request again", action=action
        )
    raise Forbidden(decision.reason, action=action, rule=decision.rule)


def assess_session(ctx: Context) -> None:
    """Let a session pass that zero trust finds sound. Raises StepUpRequired or Forbidden with the signal that decided."""
    if ctx.actor.kind is not ActorKind.USER:
        return
    verdict = assessment.assess(ctx.session, ctx.now)
    if verdict.allow:
        return
    if verdict.step_up:
        raise StepUpRequired(verdict.reason, mend="confirm with your second factor", signal=verdict.signal)
    raise Forbidden(verdict.reason, signal=verdict.signal)
