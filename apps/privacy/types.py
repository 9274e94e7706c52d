"""Words of privacy."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MAX_SUBJECT = 500


class ErasureScope(StrEnum):
    """What is asked for: that everything about the subject goes, or that only what must be kept stays."""

    DELETE = "delete"
    MINIMIZE = "minimize"


class ErasureStatus(StrEnum):
    """Where a request stands."""

    QUEUED = "queued"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A request to erase a subject, as it stands."""

    id: UUID
    subject_id: str
    scope: str
    status: str
    requested_at: datetime
    completed_at: datetime | None
