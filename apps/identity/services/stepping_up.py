"""How recently somebody proved who they are, for acts on the own account."""

from apps.core.context import Context
from apps.core.errors import StepUpRequired
from apps.identity import second_factor
from apps.identity.models import User
from apps.identity.types import STEP_UP_FRESHNESS


def is_recent(ctx: Context, *, user: User) -> bool:
    """Return whether the caller confirmed within the last 15 minutes: by the second factor, or by signing in for an
    account that has none yet (it must get its first one somehow)."""
    proof = ctx.session.second_factor_at
    if proof is None and not second_factor.has_any(user):
        proof = ctx.session.authenticated_at
    return proof is not None and proof <= ctx.now <= proof + STEP_UP_FRESHNESS


def require_recent(ctx: Context, *, user: User) -> None:
    """Raises StepUpRequired when `is_recent` does not hold."""
    if not is_recent(ctx, user=user):
        raise StepUpRequired("this needs a fresh second factor", mend="Confirm that it is you, then try again.")
