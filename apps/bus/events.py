"""Events of the bus itself: what became of parked events."""

from dataclasses import dataclass
from typing import ClassVar

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class ParkedReplayed(Event):
    """A parked event was handed to its subscriber again, which took it."""

    name: ClassVar[str] = "bus.parked.replayed"
    parked_id: int
    subscriber: str
    position: int
    number: int
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class ParkedDropped(Event):
    """A parked event was given up: its subscriber never gets it."""

    name: ClassVar[str] = "bus.parked.dropped"
    parked_id: int
    subscriber: str
    position: int
    number: int
    type: str
    reason: str
