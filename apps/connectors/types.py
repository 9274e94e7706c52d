"""Words of ingest: limits, positions, blocks of rows, row errors, states of a job."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

RUN_JOB = "connectors.job.run"
SWEEP_JOBS = "connectors.jobs.sweep"
"""Names of the background jobs."""

Opener = Callable[[], Iterable[bytes]]
"""Opens a source from its first byte; each call gives a fresh stream of chunks."""


class Format(StrEnum):
    """What a source is written in."""

    CSV = "csv"
    JSONL = "jsonl"
    STIX = "stix"


class OnError(StrEnum):
    """What becomes of the good rows when others are bad."""

    KEEP = "keep"
    REFUSE = "refuse"


class JobState(StrEnum):
    """States of an ingest job; the last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """True when the job will not change any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)

    @property
    def words(self) -> str:
        """What people are told."""
        return "partly in" if self is JobState.PARTIAL else self.value


class Phase(StrEnum):
    """A job reads its source once for entities and once for edges, so that an edge may stand before its ends."""

    CHECK = "check"
    ENTITIES = "entities"
    EDGES = "edges"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that keep hostile input from taking memory or time. Sizes are bytes of uncompressed input."""

    max_row_bytes: int = 1 << 20
    max_columns: int = 1_000
    max_depth: int = 64
    max_bytes: int = 64 << 30
    max_ratio: int = 250
    ratio_grace_bytes: int = 64 << 20
    max_errors: int = 100_000
    block_rows: int = 2_000
    block_bytes: int = 4 << 20


class Position(NamedTuple):
    """How far a source was read: bytes of uncompressed input, and rows (lines, or objects of a bundle)."""

    offset: int = 0
    row: int = 0


START = Position()


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row, or a part of it, was not taken, and what to do about it.

    `row` is the line on which the row starts (1-based; the header of a CSV file is line 1), or, for a STIX bundle,
    its place in `objects` (1-based). `part` is the field of the mapping that refused it, when one did.
    """

    row: int
    code: str
    message: str
    mend: str = ""
    column: str = ""
    offset: int | None = None
    part: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the error as a line of the downloadable list, without empty fields."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}


@dataclass(slots=True)
class Block:
    """Rows read together. `numbers[i]` is the row number of `rows[i]`; `end` is where the next block starts."""

    rows: list[Any]
    numbers: Sequence[int]
    end: Position
    read: int
    errors: list[RowError] = field(default_factory=list)


class Reader(Protocol):
    """Reads a source block by block, in bounded memory. Blocks depend on the content alone, never on its transport."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the columns, or None where rows are objects."""
        ...

    @property
    def types(self) -> tuple[str, ...] | None:
        """Types that a typed header gives, "" where it gives none."""
        ...

    def read(self, max_rows: int) -> Block | None:
        """Return the next rows, or None at the end. Raises UnreadableSource when reading cannot go on."""
        ...


class Refusal(NamedTuple):
    """A value that could not be mapped; stands in the place of the value until its row is dropped."""

    code: str
    message: str
    mend: str
    column: str


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the rows of a source.

    A row counts by the best that it did: one that made an entity counts by its entities, any other by its edges. A
    row that is partly taken (its entity is, its edge is not) counts under `rejected` besides. `skipped` rows met no
    condition of the mapping.
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    skipped: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job stopped as a whole."""

    code: str
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class JobView:
    """An ingest job as others see it. `progress` is 0 to 1; sizes are bytes, `bytes_read` of uncompressed input.

    `entities` and `edges` count writes (created, updated, unchanged, rejected). In a dry run all counts say what would
    be, and `examples` shows the first entities and edges that would be written.
    """

    id: UUID
    state: JobState
    source: str
    format: str
    mapping_name: str
    mapping_version: int
    mapping_sha256: str
    object_sha256: str
    size_bytes: int
    dry_run: bool
    on_error: str
    phase: str
    rows: RowCounts
    entities: dict[str, int]
    edges: dict[str, int]
    duplicates: int
    references_outside: int
    bytes_read: int
    progress: float
    error_count: int
    failure: Failure | None
    examples: list[dict[str, Any]]
    requested_by: str
    purpose: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempts: int

    def as_document(self) -> dict[str, Any]:
        """Return the job in the form of the REST interface, without the addresses that the door adds."""
        document: dict[str, Any] = {
            "id": str(self.id),
            "state": self.state.value,
            "source": self.source,
            "format": self.format,
            "mapping": {"name": self.mapping_name, "version": self.mapping_version, "sha256": self.mapping_sha256},
            "object_sha256": self.object_sha256,
            "dry_run": self.dry_run,
            "on_error": self.on_error,
            "rows": self.rows.as_dict(),
            "entities": self.entities,
            "edges": self.edges,
            "duplicates": self.duplicates,
            "references_outside": self.references_outside,
            "bytes_read": self.bytes_read,
            "size_bytes": self.size_bytes,
            "progress": round(self.progress, 4),
            "error_count": self.error_count,
            "requested_at": self.requested_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
        }
        if self.failure is not None:
            document["failure"] = asdict(self.failure)
        if self.dry_run:
            document["examples"] = self.examples
        return document


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is: what changes with every batch, and nothing of what the source holds. Sizes are bytes."""

    id: str
    source: str
    format: str
    dry_run: bool
    state: JobState
    phase: str
    progress: float
    rows: RowCounts
    bytes_read: int
    size_bytes: int
    error_count: int
    failure: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first; `end` is the cursor of the next page, None when nothing follows."""

    jobs: list[JobView]
    end: str | None


@dataclass(frozen=True, slots=True)
class MappingView:
    """A version of a mapping. Version 0 is the one that comes with the product."""

    name: str
    version: int
    sha256: str
    document: dict[str, Any]
    created_by: str
    created_at: datetime | None
