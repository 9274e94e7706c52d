"""Refusals of ingest."""

from dataclasses import dataclass
from typing import ClassVar

from apps.core.errors import Conflict, InvalidInput


class UnreadableSource(InvalidInput):
    """The source as a whole cannot be read (any further): damaged gzip, no bundle, a header without a needed column."""

    def __init__(self, reason: str, message: str, *, mend: str, field: str | None = None) -> None:
        super().__init__(message, mend=mend, field=field)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place of a mapping: `path` such as `entities[0].kind`."""

    path: str
    message: str
    mend: str


class MappingInvalid(InvalidInput):
    """A mapping document breaks its rules; `problems` lists every place."""

    title = "Invalid mapping"

    def __init__(self, problems: list[Problem]) -> None:
        first = problems[0]
        rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.path}: {first.message}{rest}", field=first.path, mend=first.mend)
        self.problems = problems
        self.details = {"problems": [{"path": p.path, "message": p.message, "mend": p.mend} for p in problems]}


class IdempotencyMismatch(Conflict):
    """The idempotency key was used before for another request."""

    title: ClassVar[str] = "Idempotency key used before"


class JobMoved(Conflict):
    """Another worker has taken the job over; this one must stop without writing."""

    title: ClassVar[str] = "Job taken over"


class JobCancelled(Conflict):
    """The job was cancelled while it ran."""

    title: ClassVar[str] = "Job cancelled"
