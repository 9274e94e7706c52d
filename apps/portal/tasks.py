"""Background jobs of the portal."""

from apps.core.context import Context
from apps.core.jobs import job
from apps.portal import services


@job("portal.proposals.expire")
def expire_proposals(ctx: Context) -> None:
    """Close proposals on which nobody decided in time."""
    services.expire(ctx)
