"""Reads of ingest: jobs, their errors, mappings."""

import zlib
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from apps.connectors.mapping import document as documents
from apps.connectors.models import IngestBatch, IngestJob, IngestMapping, IngestRowError
from apps.connectors.types import Failure, JobPage, JobProgress, JobState, JobView, MappingView, RowCounts, RowError
from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound
from apps.core.ids import parse_id
from apps.core.scope import system_scope
from apps.vault import selectors as vault

BUILT_IN = Path(__file__).parent / "builtin"
MAX_PAGE = 200
NO_COUNTS = {"created": 0, "updated": 0, "unchanged": 0, "rejected": 0}
OPEN_STATES = (JobState.QUEUED.value, JobState.RUNNING.value)
MOST_MOVING = 100
STILL_NEWS = timedelta(minutes=1)
_PROGRESS = (
    "id", "source", "format", "dry_run", "state", "phase", "progress", "rows_read", "rows_created", "rows_updated",
    "rows_unchanged", "rows_rejected", "rows_skipped", "bytes_read", "object_bytes", "error_count", "failure",
    "requested_at", "started_at", "finished_at",
)  # fmt: skip


def job_view(row: IngestJob) -> JobView:
    """Return a row as others see it."""
    return JobView(
        id=row.id,
        state=JobState(row.state),
        source=row.source,
        format=row.format,
        mapping_name=row.mapping_name,
        mapping_version=row.mapping_version,
        mapping_sha256=row.mapping_sha256,
        object_sha256=row.object_sha256,
        size_bytes=row.object_bytes,
        dry_run=row.dry_run,
        on_error=row.on_error,
        phase=row.phase,
        rows=RowCounts(
            row.rows_read, row.rows_created, row.rows_updated, row.rows_unchanged, row.rows_rejected, row.rows_skipped
        ),
        entities={**NO_COUNTS, **row.counts.get("entities", {})},
        edges={**NO_COUNTS, **row.counts.get("edges", {})},
        duplicates=row.duplicates,
        references_outside=row.references_outside,
        bytes_read=row.bytes_read,
        progress=row.progress,
        error_count=row.error_count,
        failure=Failure(**row.failure) if row.failure else None,
        examples=row.examples,
        requested_by=row.requested_by,
        purpose=row.purpose,
        requested_at=row.requested_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
    )


def job(ctx: Context, job_id: UUID | str) -> JobView:
    """Return a job of the tenant. Raises NotFound."""
    return job_view(_row(job_id))


def jobs(ctx: Context, *, first: int = 50, after: str | None = None, state: str | None = None) -> JobPage:
    """Return the tenant's jobs, newest first. Raises InvalidInput for a bad size, state or cursor."""
    if not 1 <= first <= MAX_PAGE:
        raise InvalidInput(f"first must be 1 to {MAX_PAGE}", field="first")
    rows = IngestJob.objects.order_by("-id")
    if state is not None:
        if state not in set(JobState):
            raise InvalidInput(f"{state!r} is no state", field="state", mend=f"Use one of {', '.join(JobState)}.")
        rows = rows.filter(state=state)
    if after is not None:
        last = parse_id(after)
        if last is None:
            raise InvalidInput("the cursor is not one of ours", field="after")
        rows = rows.filter(id__lt=last)  # ids are UUIDv7: their order is that of time
    found = list(rows[: first + 1])
    page = [job_view(row) for row in found[:first]]
    return JobPage(page, str(page[-1].id) if len(found) > first else None)


def progress(ctx: Context, job_id: UUID) -> JobProgress:
    """Return how far a job of the tenant is. Raises NotFound."""
    row = IngestJob.objects.filter(id=job_id).values_list(*_PROGRESS).first()
    if row is None:
        raise NotFound("there is no such ingest job", field="id")
    return _progress(*row)


def moving(ctx: Context) -> list[JobProgress]:
    """Return how far the tenant's open jobs are and, of the newest, those that ended within STILL_NEWS; oldest first.

    At most MOST_MOVING of each.
    """
    asked = IngestJob.objects.values_list(*_PROGRESS).order_by("-requested_at", "-id")
    rows = {row[0]: row for row in asked.filter(state__in=OPEN_STATES)[:MOST_MOVING]}
    for row in asked[:MOST_MOVING]:
        if row[-1] is not None and row[-1] >= ctx.now - STILL_NEWS:
            rows[row[0]] = row
    return sorted((_progress(*row) for row in rows.values()), key=lambda one: (one.requested_at, one.id))


def first_errors(ctx: Context, job_id: UUID | str, *, first: int = 100, after: int = -1) -> list[RowError]:
    """Return the job's first errors for a screen, at most as many as are kept (`row_errors` gives all)."""
    rows = IngestRowError.objects.filter(job_id=_row(job_id).id, sequence__gt=after).order_by("sequence")
    return [RowError(r.row, r.code, r.message, r.mend, r.column, r.offset, r.part) for r in rows[:first]]


def row_errors(ctx: Context, job_id: UUID | str) -> Iterator[bytes]:
    """Yield all row errors of a job as JSON Lines, also while it runs. Raises NotFound before the first part."""
    row = _row(job_id)
    if row.errors_object_id is not None:
        return vault.stream_object(ctx, row.errors_object_id)[1]
    return (lines for _, lines in batch_errors(row.id))


def batch_errors(job_id: UUID) -> Iterator[tuple[int, bytes]]:
    """Yield (batch number, JSON Lines) of the batches that hold errors."""
    rows = IngestBatch.objects.filter(job_id=job_id, errors__isnull=False).order_by("number")
    for number, packed in rows.values_list("number", "errors").iterator(chunk_size=20):
        yield number, zlib.decompress(bytes(packed), wbits=31)


def resumable(ctx: Context, *, object_sha256: str, mapping_sha256: str, dry_run: bool) -> JobView | None:
    """Return the newest unfinished job for the same bytes and mapping, or None."""
    row = (
        IngestJob.objects.filter(
            object_sha256=object_sha256, mapping_sha256=mapping_sha256, dry_run=dry_run, state__in=OPEN_STATES
        )
        .order_by("-id")
        .first()
    )
    return job_view(row) if row else None


def mapping(ctx: Context, name: str) -> MappingView:
    """Return the newest version of a mapping: the tenant's own, else the one that comes along. Raises NotFound."""
    row = IngestMapping.objects.filter(name=name).order_by("-version").first()
    if row is not None:
        return _mapping_view(row)
    if name in built_in():
        return built_in()[name]
    known = ", ".join(view.name for view in mappings(ctx)[:20])
    raise NotFound(f"there is no mapping {name[:80]!r}", field="mapping", mend=f"Save it first, or use one of {known}.")


def mappings(ctx: Context) -> list[MappingView]:
    """Return the newest version of every mapping that the tenant can use, by name."""
    found = dict(built_in())
    for row in IngestMapping.objects.order_by("name", "-version").distinct("name"):
        found[row.name] = _mapping_view(row)
    return [found[name] for name in sorted(found)]


def open_jobs_without_worker() -> list[tuple[UUID, UUID, dict[str, Any]]]:
    """Return (tenant, job, fields of its context) of every tenant's jobs that nobody works on."""
    with system_scope("connectors.sweep"):
        rows = IngestJob.objects.filter(state__in=OPEN_STATES).filter(Q(lease_until=None) | Q(lease_until__lt=Now()))
        return [(row.tenant_id, row.id, {"requested_by": row.requested_by, "purpose": row.purpose}) for row in rows]


@cache
def built_in() -> dict[str, MappingView]:
    """Return the mappings that come along, by name."""
    views: dict[str, MappingView] = {}
    for path in sorted(BUILT_IN.glob("*.yaml")):
        document = documents.load(path.read_bytes(), name=path.stem)
        views[path.stem] = MappingView(path.stem, 0, documents.digest(document), document, "system", None)
    return views


def _progress(
    id_: UUID,
    source: str,
    format_: str,
    dry_run: bool,
    state: str,
    phase: str,
    share: float,
    read: int,
    created: int,
    updated: int,
    unchanged: int,
    rejected: int,
    skipped: int,
    bytes_read: int,
    size_bytes: int,
    error_count: int,
    failure: dict[str, Any] | None,
    *moments: Any,
) -> JobProgress:
    rows = RowCounts(read, created, updated, unchanged, rejected, skipped)
    why = str(failure.get("message", "")) if failure else ""
    return JobProgress(
        str(id_),
        source,
        format_,
        dry_run,
        JobState(state),
        phase,
        round(share, 4),
        rows,
        bytes_read,
        size_bytes,
        error_count,
        why,
        *moments,
    )


def _mapping_view(row: IngestMapping) -> MappingView:
    return MappingView(row.name, row.version, row.sha256, row.document, row.created_by, row.created_at)


def _row(job_id: UUID | str) -> IngestJob:
    known = job_id if isinstance(job_id, UUID) else parse_id(job_id)
    row = IngestJob.objects.filter(id=known).first() if known else None
    if row is None:
        raise NotFound("there is no such ingest job", field="id")
    return row
