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
