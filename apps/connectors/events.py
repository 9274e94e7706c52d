"""Events of ingest: ids, hashes and counts, never contents."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class MappingSaved(Event):
    """A mapping has a new version."""

    name: ClassVar[str] = "connectors.mapping.saved"
    mapping: str
    mapping_version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class IngestRequested(Event):
    """A source is stored and waits to be brought in."""

    name: ClassVar[str] = "connectors.ingest.requested"
    job_id: UUID
    source: str
    mapping: str
    mapping_version: int
    mapping_sha256: str
    object_sha256: str
    size_bytes: int
    dry_run: bool


@dataclass(frozen=True, slots=True)
class IngestStarted(Event):
    """A worker has taken the job, for the first time or again (`attempt` counts from 1)."""

    name: ClassVar[str] = "connectors.ingest.started"
    job_id: UUID
    attempt: int
    phase: str
    from_row: int


@dataclass(frozen=True, slots=True)
class IngestFinished(Event):
    """The job has ended: succeeded, partial, failed or cancelled."""

    name: ClassVar[str] = "connectors.ingest.finished"
    job_id: UUID
    state: str
    rows_read: int
    rows_created: int
    rows_updated: int
    rows_unchanged: int
    rows_rejected: int
    bytes_read: int
    dry_run: bool
    failure: str
