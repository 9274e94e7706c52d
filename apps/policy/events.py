"""What policy records."""

from dataclasses import dataclass
from typing import ClassVar

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class FenceChanged(Event):
    """A tenant admits sessions from other countries than before; empty: from all."""

    name: ClassVar[str] = "policy.fence.changed"
    before: tuple[str, ...]
    after: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SignalReceived(Event):
    """An identity provider told something about a person or token holder."""

    name: ClassVar[str] = "policy.signal.received"
    subject: str
    kind: str
    value: str
    issuer: str
    jti: str


@dataclass(frozen=True, slots=True)
class TravelImpossible(Event):
    """Somebody was in two countries (ISO 3166-1 alpha-2) so many kilometres apart within so many seconds."""

    name: ClassVar[str] = "policy.travel.impossible"
    subject: str
    before: str
    after: str
    apart_km: int
    within_s: int
