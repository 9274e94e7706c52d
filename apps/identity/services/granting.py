"""Least privilege: nobody gives more than they hold."""

from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden
from apps.identity.types import BELOW, Role


def grantable(ctx: Context) -> frozenset[str]:
    """Return the roles that the caller may give and take here: an owner all, others those within their own.

    Platform staff who hold no role here act by the platform's own verbs, which policy gives to operators with a fresh
    second factor; inside a tenant they give no more than their roles there.
    """
    if ctx.actor.kind is ActorKind.SERVICE or (ctx.platform_roles and not ctx.roles):
        return frozenset(Role)
    return grantable_with(ctx.roles)


def grantable_with(roles: frozenset[str]) -> frozenset[str]:
    """Return the roles that a member of these roles may give and take."""
    if Role.OWNER in roles:
        return frozenset(Role)
    return frozenset().union(*(BELOW.get(role, frozenset({role})) for role in roles))


def require_grantable(ctx: Context, roles: frozenset[str]) -> None:
    """Raises Forbidden when one of the roles is more than the caller may give."""
    if above := roles - grantable(ctx):
        raise Forbidden(
            f"you may not give or take {', '.join(sorted(above))}", mend="Ask an owner of the tenant.", rule="grant"
        )
