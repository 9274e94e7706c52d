"""Events of the graph. What changed stands in the record's items (ids, versions, kinds); contents stay outside."""

from dataclasses import dataclass
from typing import ClassVar

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class EntitiesUpserted(Event):
    """Entities were created or updated."""

    name: ClassVar[str] = "graph.entities.upserted"
    created: int
    updated: int
    origin: str = ""


@dataclass(frozen=True, slots=True)
class EdgesUpserted(Event):
    """Edges were created or updated."""

    name: ClassVar[str] = "graph.edges.upserted"
    created: int
    updated: int
    origin: str = ""


@dataclass(frozen=True, slots=True)
class EntitiesDeleted(Event):
    """Entities were deleted, and with them their edges."""

    name: ClassVar[str] = "graph.entities.deleted"
    entities: int
    edges: int
