"""Who may work on a job: one worker at a time, for as long as it shows that it lives.

The lease's clock is the database's. Every write of a worker locks the job's row and compares the token, so a worker
that was thought dead and comes back cannot write beside its successor.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from apps.bus import services as bus
from apps.connectors.errors import JobCancelled, JobMoved
from apps.connectors.events import IngestStarted
from apps.connectors.models import IngestJob
from apps.connectors.types import JobState
from apps.core.context import Context
from apps.core.ids import new_id
from apps.core.routers import write_alias

LEASE = timedelta(seconds=20)
RENEW_EVERY_S = 5.0


def claim(ctx: Context, job_id: UUID) -> IngestJob | None:
    """Take the job for a new worker; None when another one works on it, or when it has ended."""
    with transaction.atomic(using=write_alias()):
        row: IngestJob | None = (
            IngestJob.objects.select_for_update(skip_locked=True)
            .filter(id=job_id, state__in=[JobState.QUEUED, JobState.RUNNING])
            .filter(Q(lease_until=None) | Q(lease_until__lt=Now()))
            .first()
        )
        if row is None:
            return None
        row.state = JobState.RUNNING.value
        row.attempts += 1
        row.stuck += 1
        row.started_at = row.started_at or ctx.now
        row.lease_token = new_id()
        row.save(update_fields=["state", "attempts", "stuck", "started_at", "lease_token"])
        _extend(row.id, row.lease_token)
        bus.record(ctx, IngestStarted(row.id, row.attempts, row.phase, row.phase_row))
    return row


def held(job_id: UUID, token: UUID) -> IngestJob:
    """Lock the job's row for a write of the worker with this token, inside its transaction, and renew the lease.

    Raises JobMoved when another worker has it, JobCancelled when somebody asked to stop.
    """
    row = IngestJob.objects.select_for_update().filter(id=job_id).first()
    if row is None or row.lease_token != token or row.state != JobState.RUNNING:
        raise JobMoved("another worker has taken this job over")
    if row.cancel_requested:
        raise JobCancelled("the job was cancelled")
    row.lease_until = Now() + LEASE
    return row


def renew(job_id: UUID, token: UUID, *, progress: float | None = None) -> None:
    """Renew the lease between batches. Raises JobMoved, JobCancelled."""
    with transaction.atomic(using=write_alias()):
        row = held(job_id, token)
        if progress is not None:
            row.progress = progress
        row.save(update_fields=["lease_until", "progress"])


def give_back(job_id: UUID, token: UUID) -> bool:
    """Let another worker go on with the job at once. Returns False when it was not ours any more."""
    with transaction.atomic(using=write_alias()):
        changed = IngestJob.objects.filter(id=job_id, lease_token=token, state=JobState.RUNNING).update(
            state=JobState.QUEUED, lease_token=None, lease_until=None
        )
    return bool(changed)


def _extend(job_id: UUID, token: UUID) -> None:
    IngestJob.objects.filter(id=job_id, lease_token=token).update(lease_until=Now() + LEASE)
