"""What gathers between two commits, and how its rows are counted."""

from dataclasses import dataclass, field
from uuid import UUID

import orjson

from apps.connectors import metrics, selectors
from apps.connectors.mapping.compiler import Mapped
from apps.connectors.models import IngestJob
from apps.connectors.plans import Mapper
from apps.connectors.services.writing import CREATED, UNCHANGED, UPDATED, Written
from apps.connectors.types import Block, Limits, Phase, Position, Reader, RowError

TARGET_INPUTS = 1_000
"""Inputs of a batch: about a tenth of a second of one transaction."""
MOST_ROWS = 20_000
MOST_ERRORS = 2_000


@dataclass(slots=True)
class Figures:
    """What a batch adds to the job's counters."""

    read: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    rejected_rows: set[int]
    writes: dict[str, int]
    duplicates: int
    outside: int
    errors: int

    @property
    def rejected(self) -> int:
        """How many rows were refused that had not been before."""
        return len(self.rejected_rows)

    def add_to(self, row: IngestJob, phase: Phase) -> None:
        """Add the figures to the job's counters."""
        row.rows_read += self.read
        row.rows_created += self.created
        row.rows_updated += self.updated
        row.rows_unchanged += self.unchanged
        row.rows_skipped += self.skipped
        row.rows_rejected += self.rejected
        row.duplicates += self.duplicates
        row.references_outside += self.outside
        row.error_count += self.errors
        sums = dict(row.counts.get(phase.value, {}))
        for name, number in self.writes.items():
            sums[name] = sums.get(name, 0) + number
        row.counts = {**row.counts, phase.value: sums}

    def count(self, form: str) -> None:
        """Add the figures to the metrics, once they are committed."""
        for outcome in ("created", "updated", "unchanged", "rejected"):
            metrics.ROWS.labels(form, outcome).inc(getattr(self, outcome))


@dataclass(slots=True)
class Pending:
    """Blocks that wait to be written together. They end where the content says, so that a second run cuts alike."""

    start: Position
    end: Position = field(init=False)
    mapped: Mapped = field(default_factory=Mapped)
    errors: list[RowError] = field(default_factory=list)
    read: int = 0
    rows: int = 0
    skipped: int = 0
    counted_elsewhere: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.end = self.start

    def add(self, block: Block, mapped: Mapped, *, counts_rows: bool, counts_skipped: bool) -> None:
        """Take a block in, with what it was mapped to."""
        self.end = block.end
        self.rows += block.read
        if counts_rows:
            self.read += block.read
            self.errors += block.errors
        self.errors += mapped.errors
        self.counted_elsewhere |= mapped.elsewhere
        if counts_skipped:
            used = {*mapped.rows, *mapped.elsewhere, *(error.row for error in mapped.errors)}
            self.skipped += sum(number not in used for number in block.numbers)
        self.mapped.inputs += mapped.inputs
        self.mapped.rows += mapped.rows
        self.mapped.parts += mapped.parts
        self.mapped.soft += mapped.soft

    @property
    def full(self) -> bool:
        """True when it is time to commit."""
        return len(self.mapped.inputs) >= TARGET_INPUTS or self.rows >= MOST_ROWS or len(self.errors) >= MOST_ERRORS

    @property
    def touched(self) -> bool:
        """True when anything was read."""
        return self.end != self.start

    def settle(self, done: Written, errors: list[RowError], rejected_before: set[int]) -> Figures:
        """Return what the batch adds to the counters, now that it is written."""
        ranks = [rank for row, rank in done.ranks.items() if row not in self.counted_elsewhere]
        return Figures(
            read=self.read,
            created=ranks.count(CREATED),
            updated=ranks.count(UPDATED),
            unchanged=ranks.count(UNCHANGED),
            skipped=self.skipped,
            rejected_rows={error.row for error in errors} - rejected_before,
            writes={
                "created": done.created,
                "updated": done.updated,
                "unchanged": done.unchanged,
                "rejected": len(done.errors),
            },
            duplicates=done.duplicates,
            outside=done.outside,
            errors=len(errors),
        )


def mapped_block(reader: Reader, mapper: Mapper, phase: Phase, limits: Limits) -> tuple[Block, Mapped] | None:
    """Return the next block of a source with what it maps to in a phase, or None at the end."""
    block = reader.read(limits.block_rows)
    if block is None:
        return None
    return block, mapper.entities(block) if phase is Phase.ENTITIES else mapper.edges(block)


def rejected_before(job_id: UUID) -> set[int]:
    """Return the rows of a job that were refused so far, so that a row is counted once."""
    return {orjson.loads(line)["row"] for _, lines in selectors.batch_errors(job_id) for line in lines.splitlines()}
