"""Looking at a source as a whole before anything is written: for a dry run, and for `refuse`.

Each batch is really written, and rolled back at once, so the graph's own rules speak. What earlier batches would have
written is remembered as keys on disk: an edge may lead to an entity of the same source.
"""

import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from apps.connectors.errors import UnreadableSource
from apps.connectors.mapping.compiler import Mapped
from apps.connectors.models import IngestBatch, IngestJob
from apps.connectors.plans import Mapper, open_mapper, open_reader
from apps.connectors.services import cycles, finishing, leases, writing
from apps.connectors.services.ahead import ahead
from apps.connectors.services.batching import Pending, mapped_block
from apps.connectors.types import START, Failure, JobState, Limits, Opener, Phase, RowError
from apps.core.context import Context
from apps.core.routers import write_alias
from apps.graph import services as graph
from apps.graph.types import MAX_BATCH, EntityInput

MOST_EXAMPLES = 20
MOST_ACYCLIC = 200_000
"""Edges of acyclic kinds whose cycles are looked for ahead; beyond, each is looked at when it is written."""

Key = tuple[str, str]


class KeySpool:
    """The keys of a source's entities, in a file that goes with the check."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "keys.sqlite", isolation_level=None)
        self._database.executescript(
            "pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -8192;"
            "create table entity (kind text, id text, primary key (kind, id)) without rowid;"
        )

    def known(self, keys: Iterable[Key]) -> set[Key]:
        """Return which of these keys were added."""
        asked = orjson.dumps(list(keys)).decode()
        rows = self._database.execute(
            "select e.kind, e.id from json_each(?) k join entity e on e.kind = k.value ->> 0 and e.id = k.value ->> 1",
            (asked,),
        )
        return set(rows.fetchall())

    def add(self, keys: Iterable[Key]) -> None:
        """Add keys; those that are there stay."""
        self._database.executemany("insert or ignore into entity values (?, ?)", keys)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


@contextmanager
def key_spool() -> Iterator[KeySpool]:
    """Open a spool in a temporary folder, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ig-ingest-") as folder:
        spool = KeySpool(Path(folder))
        try:
            yield spool
        finally:
            spool.close()


@dataclass(slots=True)
class Verdict:
    """What a check found. `tally` holds counters only, as they would be."""

    tally: IngestJob
    first_errors: list[RowError] = field(default_factory=list)
    errors: bytes | None = None
    examples: list[dict[str, Any]] = field(default_factory=list)


def check(ctx: Context, row: IngestJob, limits: Limits, opener: Opener, beat: Callable[[], None]) -> Verdict:
    """Read the source through and say what would become of it. Raises UnreadableSource."""
    with key_spool() as spool:
        return _Check(ctx, row, limits, spool).run(opener, beat)


def settle(ctx: Context, job_id: UUID, token: UUID, verdict: Verdict) -> bool:
    """Store what a check found; return True when the job goes on to write."""
    with transaction.atomic(using=write_alias()):
        row = leases.held(job_id, token)
        if not row.dry_run and not verdict.tally.error_count:
            row.phase = Phase.ENTITIES.value
            row.stuck = 1
            row.save()
            return True
        finishing.keep_for_screens(row, verdict.first_errors)
        _copy(verdict.tally, row)
        if verdict.errors is not None:
            IngestBatch(
                job_id=row.id,
                number=1,
                phase=Phase.CHECK.value,
                from_offset=0,
                to_offset=row.bytes_read,
                to_row=row.rows_read,
                rejected=row.rows_rejected,
                errors=verdict.errors,
                committed_at=ctx.now,
            ).save(force_insert=True)
        if row.dry_run:
            row.examples = verdict.examples
            finishing.finish(ctx, row, finishing.outcome(row))
        else:
            row.rows_created = row.rows_updated = row.rows_unchanged = row.rows_skipped = 0
            row.counts = {}
            what = f"{row.rows_rejected} of {row.rows_read} rows are wrong, so nothing was written"
            finishing.finish(
                ctx, row, JobState.FAILED, Failure("REFUSED", what, "Mend the rows that the list of errors names.")
            )
    return False


def _copy(tally: IngestJob, row: IngestJob) -> None:
    for name in (
        "rows_read",
        "rows_created",
        "rows_updated",
        "rows_unchanged",
        "rows_rejected",
        "rows_skipped",
        "duplicates",
        "references_outside",
        "counts",
        "bytes_read",
        "error_count",
    ):
        setattr(row, name, getattr(tally, name))


class _Check:
    def __init__(self, ctx: Context, row: IngestJob, limits: Limits, spool: KeySpool) -> None:
        self._ctx = ctx
        self._row = row
        self._limits = limits
        self._spool = spool
        self._verdict = Verdict(IngestJob(format=row.format, counts={}))
        self._packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        self._packed: list[bytes] = []
        self._rejected: set[int] = set()
        self._acyclic: dict[str, dict[Key, list[Key]]] = {}
        self._acyclic_count = 0
        self._at = ctx.now

    def run(self, opener: Opener, beat: Callable[[], None]) -> Verdict:
        for phase in (Phase.ENTITIES, Phase.EDGES):
            reader = open_reader(self._row.mapping_document, opener, self._limits)
            mapper = open_mapper(self._row.mapping_document, reader)
            entities = phase is Phase.ENTITIES
            if not (mapper.has_entities if entities else mapper.has_edges):
                continue
            pending = Pending(START)
            with closing(ahead(partial(mapped_block, reader, mapper, phase, self._limits), beat)) as pieces:
                for block, mapped in pieces:
                    pending.add(
                        block,
                        mapped,
                        counts_rows=entities or not mapper.has_entities,
                        counts_skipped=not entities or not mapper.has_edges,
                    )
                    if pending.full:
                        self._try(phase, pending, mapper)
                        pending = Pending(block.end)
            self._try(phase, pending, mapper)
        if self._verdict.tally.error_count:
            self._packed.append(self._packer.flush())
            self._verdict.errors = b"".join(self._packed)
        return self._verdict

    def _try(self, phase: Phase, pending: Pending, mapper: Mapper) -> None:
        """Write a batch, note what that does, undo it."""
        tally = self._verdict.tally
        mapped = pending.mapped
        self._at = max(self._ctx.now, self._at + timedelta(microseconds=1))
        with transaction.atomic(using=write_alias()):
            if phase is Phase.ENTITIES:
                done = writing.write_entities(self._ctx, mapped, at=self._at, origin=str(self._row.id))
            else:
                mapped, knots = self._without_knots(mapped, mapper.acyclic_kinds)
                done = writing.write_edges(self._ctx, mapped, at=self._at, origin=str(self._row.id))
                done.errors = knots + done.errors
            transaction.set_rollback(True, using=write_alias())
        if phase is Phase.ENTITIES:
            self._remember(mapped, done)
        errors = pending.errors + done.errors
        figures = pending.settle(done, errors, self._rejected)
        figures.add_to(tally, phase)
        tally.bytes_read = max(tally.bytes_read, pending.end.offset)
        self._rejected |= figures.rejected_rows
        self._tell(errors)
        room = MOST_EXAMPLES // 2 - sum(
            ("entity" if phase is Phase.ENTITIES else "edge") in e for e in self._verdict.examples
        )
        for given, outcome in list(zip(mapped.inputs, done.outcomes, strict=True))[: max(room, 0)]:
            self._verdict.examples.append(writing.example(given, outcome))

    def _remember(self, mapped: Mapped, done: writing.Written) -> None:
        """Note the keys that would be there now; one that an earlier batch made would be updated, not created."""
        keys = [(given.kind, given.external_id) for given in mapped.inputs]
        before = self._spool.known(dict.fromkeys(keys))
        for index, key in enumerate(keys):
            if done.outcomes[index] == writing.CREATED and key in before:
                done.outcomes[index] = writing.UPDATED
                done.created -= 1
                done.updated += 1
                if done.ranks[mapped.rows[index]] == writing.CREATED:
                    done.ranks[mapped.rows[index]] = writing.UPDATED
        self._spool.add({key for key, outcome in zip(keys, done.outcomes, strict=True) if outcome})

    def _without_knots(self, mapped: Mapped, kinds: frozenset[str]) -> tuple[Mapped, list[RowError]]:
        """Put the ends that this source brings in place, then part the edges that would close a cycle."""
        wanted = dict.fromkeys(end for given in mapped.inputs for end in cycles.ends(given))
        stubs = [EntityInput(*key) for key in sorted(self._spool.known(wanted))]
        for start in range(0, len(stubs), MAX_BATCH):
            graph.upsert_entities(self._ctx, inputs=stubs[start : start + MAX_BATCH])
        mapped, knots = cycles.without_knots(self._ctx, mapped, kinds)
        if not kinds or self._acyclic_count > MOST_ACYCLIC:
            return mapped, knots
        kept = Mapped(errors=mapped.errors)
        for given, row, part, soft in zip(mapped.inputs, mapped.rows, mapped.parts, mapped.soft, strict=True):
            if given.kind in kinds:
                source, target = cycles.ends(given)
                up = self._acyclic.setdefault(given.kind, {})
                if cycles.reaches(up, target, source):
                    knots.append(cycles.knot(row, given, part))
                    continue
                up.setdefault(source, []).append(target)
                self._acyclic_count += 1
            kept.inputs.append(given)
            kept.rows.append(row)
            kept.parts.append(part)
            kept.soft.append(soft)
        return kept, knots

    def _tell(self, errors: list[RowError]) -> None:
        if not errors:
            return
        room = finishing.KEPT_FOR_SCREENS - len(self._verdict.first_errors)
        self._verdict.first_errors += errors[: max(room, 0)]
        text = b"".join(orjson.dumps(error.as_dict()) + b"\n" for error in errors)
        self._packed.append(self._packer.compress(text))
        if self._verdict.tally.error_count > self._limits.max_errors:
            raise UnreadableSource(
                "TOO_MANY_ERRORS",
                f"more than {self._limits.max_errors} rows are wrong; reading stopped",
                mend="The mapping or the format probably does not fit the source.",
            )
