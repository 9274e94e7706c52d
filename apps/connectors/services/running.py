"""Running a job: read, map, write, batch by batch, so that it can be stopped anywhere and gone on with.

The source is read twice, once for entities and once for edges, so that an edge may stand before its ends without being
remembered. A batch is one transaction: the graph's rows with their ledger record, the batch's row, the job's counters
and its checkpoint. Batches depend on the source alone, so a run that was killed ends as one that was not.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from uuid import UUID

import stamina
from django.db import OperationalError, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from apps.connectors import metrics, selectors
from apps.connectors.errors import JobCancelled, JobMoved, UnreadableSource
from apps.connectors.mapping.compiler import Mapped
from apps.connectors.models import IngestBatch, IngestJob
from apps.connectors.plans import Mapper, open_mapper, open_reader
from apps.connectors.services import checking, cycles, finishing, leases, writing
from apps.connectors.services.ahead import ahead
from apps.connectors.services.batching import Figures, Pending, mapped_block, rejected_before
from apps.connectors.types import RUN_JOB, Failure, JobState, JobView, Limits, Phase, Position, Reader
from apps.core.context import Context
from apps.core.jobs import enqueue_named
from apps.core.routers import write_alias
from apps.core.telemetry import get_logger, tracer
from apps.vault import selectors as vault
from apps.vault.errors import ObjectCorrupt, ObjectMissing

log = get_logger(__name__)
tracing = tracer(__name__)

MAX_STUCK = 5
"""So many workers in a row may fail at one place; then the job ends instead of being tried for ever."""

Progress = Callable[[JobView], None]


class OutOfTime(Exception):
    """The worker's time is up; another one goes on."""


def run_ingest(
    ctx: Context,
    *,
    job_id: UUID,
    limits: Limits | None = None,
    budget_s: float | None = None,
    on_progress: Progress | None = None,
) -> JobView:
    """Take a job and bring its source in, from where it stands; return the job.

    Two workers never run one job: the second returns at once, and a worker that died is followed when its lease has
    ended. After `budget_s` seconds the job is given back and queued for another worker. `on_progress` is called after
    each batch.

    Raises NotFound. What is wrong with the source becomes the job's failure; any other error gives the job back and is
    raised.
    """
    found = selectors.job(ctx, job_id)
    row = leases.claim(ctx, job_id)
    if row is None:
        return selectors.job(ctx, found.id)
    run = _Run(ctx, row, limits or Limits(), time.monotonic() + budget_s if budget_s else None, on_progress)
    with tracing.start_as_current_span(
        "connectors.ingest", attributes={"ig.job_id": str(row.id), "ig.format": row.format}
    ):
        try:
            run.go()
        except (JobMoved, JobCancelled, OutOfTime) as stop:
            run.stop(stop)
        except UnreadableSource as refusal:
            run.fail(Failure(refusal.reason, refusal.message, refusal.mend or ""))
        except (ObjectMissing, ObjectCorrupt) as gone:
            run.fail(Failure("SOURCE_LOST", gone.message, "Send the file again."))
        except BaseException:
            leases.give_back(row.id, run.token)
            raise
    return selectors.job(ctx, job_id)


class _Run:
    """One worker's time with a job."""

    def __init__(
        self, ctx: Context, row: IngestJob, limits: Limits, deadline: float | None, on_progress: Progress | None
    ) -> None:
        if row.lease_token is None:
            raise JobMoved("the job is not leased")
        self.ctx = ctx
        self.row = row
        self.token: UUID = row.lease_token
        self.limits = limits
        self._deadline = deadline
        self._on_progress = on_progress
        self._renewed = time.monotonic()
        self._last_at = ctx.now
        self._rejected: set[int] = set()
        self._raw_read = 0
        self._both = True

    def go(self) -> None:
        """Do what is left of the job."""
        row = self.row
        if row.stuck > MAX_STUCK:
            self.fail(
                Failure(
                    "STUCK",
                    f"the job stopped {MAX_STUCK} times at row {row.phase_row}",
                    "Contact support with the job's id.",
                )
            )
            return
        if row.attempts > 1:
            metrics.TAKEN_OVER.inc()
        if row.phase == Phase.CHECK:
            verdict = checking.check(self.ctx, row, self.limits, self.open_source, self.beat)
            if not checking.settle(self.ctx, row.id, self.token, verdict):
                return
        self.row = row = IngestJob.objects.get(id=row.id)
        if row.phase == Phase.ENTITIES:
            self._read(Phase.ENTITIES)
        if self.row.phase == Phase.EDGES:
            self._rejected = rejected_before(row.id)
            self._read(Phase.EDGES)
        with transaction.atomic(using=write_alias()):
            row = leases.held(self.row.id, self.token)
            finishing.finish(self.ctx, row, finishing.outcome(row))

    def open_source(self) -> Iterator[bytes]:
        """Open the stored source."""
        self._raw_read = 0
        return self._counted(vault.stream_object(self.ctx, self.row.object_id)[1])

    def _counted(self, parts: Iterator[bytes]) -> Iterator[bytes]:
        for part in parts:
            self._raw_read += len(part)
            yield part

    def beat(self) -> None:
        """Renew the lease when it is time. Raises JobMoved, JobCancelled, OutOfTime."""
        now = time.monotonic()
        if self._deadline is not None and now > self._deadline:
            raise OutOfTime
        if now - self._renewed > leases.RENEW_EVERY_S:
            leases.renew(self.row.id, self.token, progress=self._progress())
            self._renewed = now

    def stop(self, why: Exception) -> None:
        """Leave the job: to another worker, or ended because somebody asked."""
        if isinstance(why, OutOfTime):
            with transaction.atomic(using=write_alias()):
                if leases.give_back(self.row.id, self.token):
                    enqueue_named(self.ctx, RUN_JOB, job_id=str(self.row.id))
        elif isinstance(why, JobCancelled):
            with transaction.atomic(using=write_alias()):
                row = IngestJob.objects.select_for_update().get(id=self.row.id)
                if row.lease_token == self.token:
                    finishing.finish(self.ctx, row, JobState.CANCELLED)
        else:
            log.warning("ingest job was taken over", job_id=str(self.row.id))

    def fail(self, failure: Failure) -> None:
        """End the job because its source cannot be read (any further); what was written stays."""
        try:
            with transaction.atomic(using=write_alias()):
                row = leases.held(self.row.id, self.token)
                some = row.rows_created + row.rows_updated + row.rows_unchanged and not row.dry_run
                finishing.finish(self.ctx, row, JobState.PARTIAL if some else JobState.FAILED, failure)
        except (JobMoved, JobCancelled) as stop:
            self.stop(stop)

    def _read(self, phase: Phase) -> None:
        """Read the source through for one phase, from the checkpoint on."""
        row = self.row
        start = Position(row.phase_offset, row.phase_row)
        reader = open_reader(row.mapping_document, self.open_source, self.limits, start)
        mapper = open_mapper(row.mapping_document, reader)
        self._both = mapper.has_entities and mapper.has_edges
        if (phase is Phase.ENTITIES and mapper.has_entities) or (phase is Phase.EDGES and mapper.has_edges):
            self._read_blocks(phase, reader, mapper, start)
        self._next_phase(phase)

    def _read_blocks(self, phase: Phase, reader: Reader, mapper: Mapper, start: Position) -> None:
        counts_rows = phase is Phase.ENTITIES or not mapper.has_entities
        last = phase is Phase.EDGES or not mapper.has_edges
        pending = Pending(start)
        with closing(ahead(partial(mapped_block, reader, mapper, phase, self.limits), self.beat)) as pieces:
            for block, mapped in pieces:
                pending.add(block, mapped, counts_rows=counts_rows, counts_skipped=last)
                if pending.full:
                    self._commit(phase, pending, mapper)
                    pending = Pending(block.end)
        if pending.touched:
            self._commit(phase, pending, mapper)

    def _next_phase(self, phase: Phase) -> None:
        with transaction.atomic(using=write_alias()):
            row = leases.held(self.row.id, self.token)
            row.phase = (Phase.EDGES if phase is Phase.ENTITIES else Phase.DONE).value
            row.phase_offset = row.phase_row = 0
            row.stuck = 1
            row.save()
        self.row = row

    def _commit(self, phase: Phase, pending: Pending, mapper: Mapper) -> None:
        """Write a batch, its row, counters and checkpoint in one transaction; again when a deadlock chose it."""
        began = time.perf_counter()
        for attempt in stamina.retry_context(on=_yielded, attempts=5, wait_initial=0.02, wait_max=0.5, timeout=None):
            with attempt, transaction.atomic(using=write_alias()):
                row, figures = self._write(phase, pending, mapper)
        self.row = row
        figures.count(row.format)
        metrics.BYTES.labels(row.format).inc(
            pending.end.offset - pending.start.offset if phase is Phase.ENTITIES else 0
        )
        self._renewed = time.monotonic()
        metrics.BATCH_SECONDS.labels(row.format, phase.value).observe(time.perf_counter() - began)
        if row.error_count > self.limits.max_errors:
            raise UnreadableSource(
                "TOO_MANY_ERRORS",
                f"more than {self.limits.max_errors} rows were refused; reading stopped at row {row.phase_row}",
                mend="Look at the first errors: the mapping or the format probably does not fit the source.",
            )
        if self._on_progress is not None:
            self._on_progress(selectors.job_view(row))

    def _write(self, phase: Phase, pending: Pending, mapper: Mapper) -> tuple[IngestJob, Figures]:
        row = leases.held(self.row.id, self.token)
        at = max(self.ctx.now, self._last_at + timedelta(microseconds=1))
        mapped: Mapped = pending.mapped
        if phase is Phase.ENTITIES:
            done = writing.write_entities(self.ctx, mapped, at=at, origin=str(row.id))
        else:
            mapped, knots = cycles.without_knots(self.ctx, mapped, mapper.acyclic_kinds)
            done = writing.write_edges(self.ctx, mapped, at=at, origin=str(row.id))
            done.errors = knots + done.errors
        errors = pending.errors + done.errors
        figures = pending.settle(done, errors, self._rejected)
        finishing.keep_for_screens(row, errors)
        row.batch_number += 1
        IngestBatch(
            job_id=row.id,
            number=row.batch_number,
            phase=phase.value,
            from_offset=pending.start.offset,
            to_offset=pending.end.offset,
            to_row=pending.end.row,
            written=done.created + done.updated,
            rejected=figures.rejected,
            record_id=done.record_id,
            errors=finishing.packed(errors),
            committed_at=at,
        ).save(force_insert=True)
        figures.add_to(row, phase)
        row.phase_offset, row.phase_row = pending.end
        row.bytes_read = max(row.bytes_read, pending.end.offset)
        row.progress = self._progress()
        row.stuck = 1
        row.save()
        self._last_at = at
        self._rejected |= figures.rejected_rows
        return row, figures

    def _progress(self) -> float:
        """Return how far the job is, 0 to 1, by the bytes of its source; with entities and edges each is half."""
        share = min(1.0, self._raw_read / self.row.object_bytes)
        if not self._both:
            return share
        return share / 2 if self.row.phase != Phase.EDGES else 0.5 + share / 2


def _yielded(error: Exception) -> bool:
    return isinstance(error, OperationalError) and isinstance(
        error.__cause__, (DeadlockDetected, SerializationFailure, LockNotAvailable)
    )
