"""Background jobs of ingest."""

from uuid import UUID

from apps.connectors import services
from apps.connectors.types import RUN_JOB, SWEEP_JOBS
from apps.core.context import Context
from apps.core.jobs import SOFT_LIMIT_S, job

BUDGET_S = SOFT_LIMIT_S * 0.8
"""A job that needs longer is given back before the worker's own limit ends it, and goes on in a new task."""


@job(RUN_JOB)
def run_job(ctx: Context, *, job_id: str) -> None:
    """Bring in a source, or go on with it."""
    services.run_ingest(ctx, job_id=UUID(job_id), budget_s=BUDGET_S)


@job(SWEEP_JOBS)
def sweep_jobs(ctx: Context) -> None:
    """Find the jobs of workers that died, and those that the queue never got."""
    services.sweep(ctx)
