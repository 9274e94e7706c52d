"""A logged decision, asked again: would the present pack decide alike? Pure but for the rulings."""

from apps.core.sockets import ACTIONS
from apps.identity.types import STEP_UP_FRESHNESS
from apps.policy import rulings
from apps.policy.models import DecisionEntry
from apps.policy.types import Decision, DecisionInfo, Stage


def again(entry: DecisionEntry | DecisionInfo) -> Decision | None:
    """Return the present pack's decision on a logged question of access; None for one of a session, whose signals
    belong to their moment."""
    if entry.stage != Stage.ACCESS:
        return None
    facts = entry.facts
    known = entry.action in ACTIONS
    grave = known and ACTIONS.get(entry.action).step_up
    age = facts.get("second_factor_age_s")
    fresh = age is not None and 0 <= age <= STEP_UP_FRESHNESS.total_seconds()
    scopes = facts.get("scopes")
    return rulings.decision(
        facts["actor"],
        True,
        frozenset(facts["roles"]),
        None if scopes is None else frozenset(scopes),
        frozenset(facts["platform_roles"]),
        entry.action,
        known,
        grave,
        grave and fresh and facts["actor"] == "user",
        entry.purpose or None,
    )
