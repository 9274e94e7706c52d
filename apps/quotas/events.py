"""Events of quotas."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class OverrideGranted(Event):
    """A tenant has another limit than its plan's, until a time. What stood before is replaced."""

    name: ClassVar[str] = "quotas.override.granted"
    override_id: UUID
    measure: str
    rate_per_s: str
    burst: int
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class OverrideWithdrawn(Event):
    """A tenant's limit is its plan's again."""

    name: ClassVar[str] = "quotas.override.withdrawn"
    override_id: UUID
    measure: str
    reason: str
