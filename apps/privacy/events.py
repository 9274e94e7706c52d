"""Events of privacy: the subject only as a keyed hash."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class ErasureRequested(Event):
    """Someone asked for a subject to be erased. `subject` is a hash that only this installation can compute."""

    name: ClassVar[str] = "privacy.erasure.requested"
    request_id: UUID
    subject: str
    scope: str
