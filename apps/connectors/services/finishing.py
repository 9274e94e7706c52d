"""Ending a job: its errors become one object, its state is final, the event is recorded."""

import zlib
from collections.abc import Iterable, Iterator

import orjson

from apps.bus import services as bus
from apps.connectors import metrics, selectors
from apps.connectors.events import IngestFinished
from apps.connectors.models import IngestBatch, IngestJob, IngestRowError
from apps.connectors.types import Failure, JobState, Phase, RowError
from apps.core.context import Context
from apps.vault import services as vault

KEPT_FOR_SCREENS = 1_000
RETENTION = "short-30d"
"""Sources and lists of errors hold what people sent: they are kept as long as somebody may want to look, not longer."""


def packed(errors: Iterable[RowError]) -> bytes | None:
    """Return errors as gzipped JSON Lines, None when there are none."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    parts: list[bytes] = []
    some = False
    for error in errors:
        some = True
        parts.append(packer.compress(orjson.dumps(error.as_dict()) + b"\n"))
    parts.append(packer.flush())
    return b"".join(parts) if some else None


def keep_for_screens(row: IngestJob, errors: list[RowError]) -> None:
    """Store the first errors of the job as rows. `row.error_count` must not count them yet."""
    room = KEPT_FOR_SCREENS - row.error_count
    if room > 0:
        IngestRowError.objects.bulk_create(
            IngestRowError(
                job_id=row.id,
                sequence=row.error_count + place,
                row=e.row,
                code=e.code,
                message=e.message,
                mend=e.mend,
                column=e.column,
                part=e.part,
                offset=e.offset,
            )
            for place, e in enumerate(errors[:room])
        )


def finish(ctx: Context, row: IngestJob, state: JobState, failure: Failure | None = None) -> None:
    """End a locked job, in the caller's transaction."""
    _gather_errors(ctx, row)
    row.state = state.value
    row.failure = None if failure is None else {"code": failure.code, "message": failure.message, "mend": failure.mend}
    row.finished_at = ctx.now
    row.lease_token = row.lease_until = None
    if state in (JobState.SUCCEEDED, JobState.PARTIAL):
        row.phase = Phase.DONE.value
        row.progress = 1.0
    row.save()
    bus.record(
        ctx,
        IngestFinished(
            job_id=row.id,
            state=row.state,
            rows_read=row.rows_read,
            rows_created=row.rows_created,
            rows_updated=row.rows_updated,
            rows_unchanged=row.rows_unchanged,
            rows_rejected=row.rows_rejected,
            bytes_read=row.bytes_read,
            dry_run=row.dry_run,
            failure=failure.code if failure else "",
        ),
    )
    metrics.JOBS.labels(row.format, row.state).inc()


def outcome(row: IngestJob) -> JobState:
    """Return the state of a job that read its source to the end."""
    if not row.rows_rejected:
        return JobState.SUCCEEDED
    return JobState.PARTIAL if row.rows_created + row.rows_updated + row.rows_unchanged else JobState.FAILED


def _gather_errors(ctx: Context, row: IngestJob) -> None:
    """Move the errors of all batches into one object."""
    batches = IngestBatch.objects.filter(job_id=row.id, errors__isnull=False)
    if row.errors_object_id is not None or not batches.exists():
        return

    def lines() -> Iterator[bytes]:
        for _, text in selectors.batch_errors(row.id):
            yield text

    stored = vault.put_object(ctx, content=lines(), content_type="application/jsonl", retention_tier=RETENTION)
    row.errors_object_id = stored.id
    batches.update(errors=None)
