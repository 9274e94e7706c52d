"""Reading edges: of one entity, of several at once, among a set."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.scope import require_tenant_id
from apps.core.statements import compose
from apps.graph import cursors, store
from apps.graph.types import MAX_PAGE, EdgeRow, Page

_END = {"out": "source_entity_id", "in": "target_entity_id"}


def edge_by_id(ctx: Context, edge_id: UUID) -> EdgeRow | None:
    """Return the edge, or None."""
    rows = store.query(
        compose(
            "select {edge_columns} from graph_edge e where e.tenant_id = %s and e.id = %s",
            edge_columns=store.EDGE_COLUMNS,
        ),
        (require_tenant_id(), edge_id),
    )
    return store.edge_row(rows[0]) if rows else None


def edges_of(
    ctx: Context,
    *,
    entity_id: UUID,
    direction: str = "out",
    kind: str | None = None,
    first: int = 50,
    after: str | None = None,
) -> Page:
    """Return a keyset page of the edges that leave (`out`) or reach (`in`) an entity, by kind and then age.

    Raises InvalidInput for a bad direction, size or cursor.
    """
    if direction not in _END:
        raise InvalidInput("direction must be out or in", field="direction")
    if not 1 <= first <= MAX_PAGE:
        raise InvalidInput(f"first must be 1 to {MAX_PAGE}", field="first")
    where = f"e.tenant_id = %s and e.{_END[direction]} = %s"
    params: list[Any] = [require_tenant_id(), entity_id]
    if kind is not None:
        where += " and e.kind = %s"
        params.append(kind)
    counted = store.query(
        compose("select count(*) from (select 1 from graph_edge e where {where} limit 10001) x", where=where),
        params,
    )[0][0]
    if after is not None:
        value, row_id = cursors.decode(after, "edge")
        where += " and (e.kind, e.id) > (%s, %s)"
        params += [value, row_id]
    found = store.query(
        compose(
            "select {edge_columns} from graph_edge e where {where} order by e.kind, e.id limit %s",
            edge_columns=store.EDGE_COLUMNS,
            where=where,
        ),
        [*params, first + 1],
    )
    rows = [store.edge_row(row) for row in found[:first]]
    return Page(
        rows,
        [cursors.encode("edge", row.kind, row.id) for row in rows],
        len(found) > first,
        min(int(counted), 10_000),
        counted > 10_000,
    )


def edge_kinds_of(ctx: Context, entity_id: UUID) -> list[tuple[str, str, int]]:
    """Return (direction, kind, count) of an entity's edges, by direction and kind; a count stops at 10,000.

    Kinds are found by skipping along the index, so a hub costs no more than the counts.
    """
    found: list[tuple[str, str, int]] = []
    tenant_id = require_tenant_id()
    for direction, end in _END.items():
        here = f"from graph_edge e where e.tenant_id = %s and e.{end} = %s"
        key = (tenant_id, entity_id)
        rows = store.query(
            compose(
                "with recursive k(kind) as ((select e.kind {here} order by e.kind limit 1) union all"
                " select (select e.kind {here} and e.kind > k.kind order by e.kind limit 1) from k where k.kind is not null)"
                " select k.kind, (select count(*) from (select 1 {here} and e.kind = k.kind limit 10000) x)"
                " from k where k.kind is not null",
                here=here,
            ),
            (*key, *key, *key),
        )
        found += [(direction, kind, int(count)) for kind, count in rows]
    return found


def edge_cursor(row: EdgeRow) -> str:
    """Return the cursor of an edge in the lists of `edges_of`, for pages that were read by `edges_of_many`."""
    return cursors.encode("edge", row.kind, row.id)


def edges_of_many(
    ctx: Context, entity_ids: Sequence[UUID], *, direction: str = "out", kind: str | None = None, each: int = 50
) -> dict[UUID, list[EdgeRow]]:
    """Return {entity id: its first `each` edges} in one query, in order of kind and age."""
    end = _END[direction]
    kind_filter, kinds = ("and x.kind = %s", [kind]) if kind is not None else ("", [])
    rows = store.query(
        compose(
            "select w.id, {edge_columns} from unnest(%s::uuid[]) as w(id) cross join lateral"
            " (select * from graph_edge x where x.tenant_id = %s and x.{end} = w.id {kind_filter}"
            "  order by x.kind, x.id limit %s) e",
            edge_columns=store.EDGE_COLUMNS,
            end=end,
            kind_filter=kind_filter,
        ),
        [list(entity_ids), require_tenant_id(), *kinds, each],
    )
    found: dict[UUID, list[EdgeRow]] = {entity_id: [] for entity_id in entity_ids}
    for row in rows:
        found[row[0]].append(store.edge_row(row[1:]))
    return found


def edges_between(
    ctx: Context, entity_ids: Sequence[UUID], *, limit: int, kinds: Sequence[str] | None = None
) -> list[EdgeRow]:
    """Return at most `limit` edges whose both ends are among `entity_ids`, by id."""
    kind_filter, more = ("and e.kind = any(%s)", [list(kinds)]) if kinds is not None else ("", [])
    ids: Any = list(entity_ids)
    return [
        store.edge_row(row)
        for row in store.query(
            compose(
                "select {edge_columns} from graph_edge e where e.tenant_id = %s and e.source_entity_id = any(%s)"
                " and e.target_entity_id = any(%s) {kind_filter} order by e.id limit %s",
                edge_columns=store.EDGE_COLUMNS,
                kind_filter=kind_filter,
            ),
            [require_tenant_id(), ids, ids, *more, limit],
        )
    ]
