"""Batched reads of one operation: however many rows ask, one query answers all of the same kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from aiodataloader import DataLoader

from apps.core.context import Context
from apps.gateway import threads
from apps.gateway.limits import RowBudget
from apps.gateway.shown import ShownEdge, ShownEntity, Viewer
from apps.graph import selectors as graph
from apps.graph.types import EdgeRow

MAX_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class EdgePage:
    """The first edges of an entity, as shown to the caller. `has_next`: there are more, or the operation's rows are used up.

    `start` and `end` are the cursors of the first and last edge read, shown or withheld.
    """

    edges: list[ShownEdge]
    has_next: bool
    start: str | None = None
    end: str | None = None


def edge_page(viewer: Viewer, rows: Sequence[EdgeRow], has_next: bool) -> EdgePage:
    """Return the page that these rows make."""
    shown, _ = viewer.edges(rows)
    if not rows:
        return EdgePage(shown, has_next)
    return EdgePage(shown, has_next, graph.edge_cursor(rows[0]), graph.edge_cursor(rows[-1]))


class EntityLoader(DataLoader[UUID, ShownEntity | None]):
    """Entities by id, as shown to the caller; None for unknown and withheld ones."""

    def __init__(self, ctx: Context, viewer: Viewer) -> None:
        super().__init__(max_batch_size=MAX_BATCH)
        self.ctx, self.viewer = ctx, viewer

    async def batch_load_fn(self, keys: list[UUID]) -> list[ShownEntity | None]:
        """Return the entities of these ids, in order."""
        rows = await threads.run(self.ctx, graph.entities_by_ids, self.ctx, keys)
        return [self.viewer.entity(rows[key]) if key in rows else None for key in keys]


class EdgeLoader(DataLoader[UUID, EdgePage]):
    """The first edges of entities, in one direction and perhaps of one kind, within the operation's rows."""

    def __init__(
        self, ctx: Context, viewer: Viewer, rows: RowBudget, direction: str, kind: str | None, first: int
    ) -> None:
        super().__init__(max_batch_size=MAX_BATCH)
        self.ctx, self.viewer, self.rows = ctx, viewer, rows
        self.direction, self.kind, self.first = direction, kind, first

    async def batch_load_fn(self, keys: list[UUID]) -> list[EdgePage]:
        """Return the edges of these entities, in order; what rows are left is shared among them."""
        each = self.rows.reserve(self.first, len(keys))
        # One more than wanted is read: it tells whether there are more.
        found = await threads.run(
            self.ctx, graph.edges_of_many, self.ctx, keys, direction=self.direction, kind=self.kind, each=each + 1
        )
        self.rows.settle(each * len(keys), sum(min(each, len(edges)) for edges in found.values()))
        return [edge_page(self.viewer, found[key][:each], len(found[key]) > each) for key in keys]


class Loaders:
    """The loaders of one operation, made when first asked for."""

    def __init__(self, ctx: Context, viewer: Viewer, rows: RowBudget) -> None:
        self.ctx, self.viewer, self.rows = ctx, viewer, rows
        self._entities: EntityLoader | None = None
        self._edges: dict[tuple[str, str | None, int], EdgeLoader] = {}

    async def entity(self, id_: UUID) -> ShownEntity | None:
        """Return an entity as shown, or None."""
        if self._entities is None:
            self._entities = EntityLoader(self.ctx, self.viewer)
        return await self._entities.load(id_)

    async def edges(self, id_: UUID, direction: str, kind: str | None, first: int) -> EdgePage:
        """Return the first edges of an entity in a direction (`out`, `in`)."""
        key = (direction, kind, first)
        if key not in self._edges:
            self._edges[key] = EdgeLoader(self.ctx, self.viewer, self.rows, direction, kind, first)
        return await self._edges[key].load(id_)
