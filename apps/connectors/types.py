"""Words of ingest: limits, positions, blocks of rows, row errors, states of a job."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

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


class Phase(StrEnum):
    """A job reads its source once for entities and once for edges, so that an edge may stand before its ends."""

    CHECK_ENTITIES = "check-entities"
    CHECK_EDGES = "check-edges"
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
