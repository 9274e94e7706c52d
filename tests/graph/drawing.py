"""Small graphs for tests: drawn by names, written by the product's own verbs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.core.context import Context
from apps.graph import services
from apps.graph.types import EdgeInput, EntityInput


@dataclass(frozen=True)
class Drawn:
    """A graph that was written: ids by name of the node, ids of the edges in the order drawn."""

    nodes: dict[str, UUID]
    edges: list[UUID]

    def __getitem__(self, name: str) -> UUID:
        return self.nodes[name]

    def names(self, ids: Iterable[UUID]) -> list[str]:
        by_id = {id_: name for name, id_ in self.nodes.items()}
        return [by_id[id_] for id_ in ids]


def draw(ctx: Context, nodes: Sequence[str], edges: Sequence[tuple[str, str, str]]) -> Drawn:
    """Write entities of these names and edges (from, kind, to), in the tenant in scope. Ids rise in the order given."""
    written = services.upsert_entities(ctx, inputs=[EntityInput("Thing", name, name=name) for name in nodes])
    assert not written.errors
    ids = {name: row.id for name, row in zip(nodes, written.rows, strict=True)}
    joined = []
    if edges:
        result = services.upsert_edges(
            ctx,
            inputs=[
                EdgeInput(kind, f"e{number}", source_id=ids[start], target_id=ids[end])
                for number, (start, kind, end) in enumerate(edges)
            ],
        )
        assert not result.errors
        joined = [row.id for row in result.rows]
    return Drawn(ids, joined)
