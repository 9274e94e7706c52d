"""What the graph knows of itself: how far it is, which history it follows, what it is rebuilding."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class State:
    """How far the projection of all tenants is. `position` is None in a graph that is new or was wiped.

    `hash` is the ledger's hash at `position`: a graph that followed another history shows by it. `rebuilding` are the
    tenants that are read anew from PostgreSQL, in order.
    """

    graph_id: UUID | None
    position: int | None
    hash: str
    rebuilding: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one tenant's graph is. `phase` is `nodes` or `edges` while it is rebuilt (done up to `after`), else empty."""

    number: int
    hash: str
    phase: str
    after: str

    @property
    def whole(self) -> bool:
        """True unless the tenant is being rebuilt."""
        return not self.phase
