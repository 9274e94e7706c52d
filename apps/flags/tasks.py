"""Background jobs of flags."""

from apps.core.context import Context
from apps.core.jobs import job
from apps.flags import services
from apps.flags.types import TEND_JOB


@job(TEND_JOB)
def tend_registry(ctx: Context) -> None:
    """Take the registry's file in, and tell of flags that should go."""
    services.tend(ctx)
