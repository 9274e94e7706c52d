"""Background jobs of policy."""

from apps.core.context import Context
from apps.core.jobs import job
from apps.policy import services


@job("policy.decisions.sweep")
def sweep_decisions(ctx: Context) -> None:
    """Let old decisions go."""
    services.sweep_decisions(ctx)
