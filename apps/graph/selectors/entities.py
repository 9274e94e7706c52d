"""Reading entities: one, several, a page of many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.scope import require_tenant_id
from apps.core.statements import compose
from apps.graph import cursors, filters, store
from apps.graph.types import MAX_PAGE, EntityRow, Page

ORDERS: dict[str, str] = {"id": "", "name": "e.name", "updatedAt": "e.updated_at", "externalId": "e.external_id"}
COUNT_LIMIT = 10_000
NIL = UUID(int=0)
_CHUNK = 500
_MOST_CHUNKS = 40


@dataclass(frozen=True, slots=True)
class Form:
    """How rows of a list are read: the columns, what a row becomes, and where its id is found."""

    columns: str
    make: Callable[[Sequence[Any]], Any]
    id_of: Callable[[Any], UUID]


WHOLE = Form(store.ENTITY_COLUMNS, store.entity_row, lambda row: row.id)


def get_entity(ctx: Context, entity_id: UUID) -> EntityRow | None:
    """Return the entity, or None: there is none of that id in this tenant."""
    rows = store.query(
        compose(
            "select {entity_columns} from graph_entity e where e.tenant_id = %s and e.id = %s",
            entity_columns=store.ENTITY_COLUMNS,
        ),
        (require_tenant_id(), entity_id),
    )
    return store.entity_row(rows[0]) if rows else None


def entity_by_key(ctx: Context, kind: str, external_id: str) -> EntityRow | None:
    """Return the entity of that key, or None."""
    found = store.entities_by_key(require_tenant_id(), [(kind, external_id)])
    return next(iter(found.values()))[0] if found else None


def entity_ids_by_keys(ctx: Context, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Return {(kind, external id): id} of those that exist in this tenant."""
    return store.entity_ids_by_key(require_tenant_id(), keys)


def entities_by_ids(ctx: Context, ids: Sequence[UUID]) -> dict[UUID, EntityRow]:
    """Return {id: row} of those that exist in this tenant."""
    rows = store.query(
        compose(
            "select {entity_columns} from graph_entity e where e.tenant_id = %s and e.id = any(%s)",
            entity_columns=store.ENTITY_COLUMNS,
        ),
        (require_tenant_id(), list(ids)),
    )
    return {row[0]: store.entity_row(row) for row in rows}


def list_entities(
    ctx: Context,
    *,
    filters_: Any = None,
    kind: str | None = None,
    first: int = 50,
    after: str | None = None,
    order: str = "id",
    descending: bool = False,
    count: bool = True,
) -> Page:
    """Return a keyset page of entities: at most `first` (1 to 500), after the cursor `after`.

    `order` is id (time of creation), name, updatedAt or externalId. Filters on tags and properties are answered in
    order of id whatever `order` says. `total` is exact up to 10,000. Raises InvalidInput for a bad filter, cursor,
    order or size.
    """
    if not 1 <= first <= MAX_PAGE:
        raise InvalidInput(f"first must be 1 to {MAX_PAGE}", field="first")
    if order not in ORDERS:
        raise InvalidInput(f"order must be one of {', '.join(ORDERS)}", field="order")
    plan = filters.parse(filters_, kind=kind)
    tenant_id = require_tenant_id()
    if plan.indexed_elsewhere:
        rows, ends, more = matching(tenant_id, plan, first, after, WHOLE)
        total, estimated = counted(tenant_id, plan) if count else (0, True)
        return Page(rows, [cursors.encode("id", None, end) for end in ends], more, total, estimated)
    where, params = conditions(tenant_id, plan)
    total, estimated = counted(tenant_id, plan) if count else (0, True)
    column, sign, way = ORDERS[order], "<" if descending else ">", " desc" if descending else ""
    if after is not None:
        value, row_id = cursors.decode(after, f"{order}{way}")
        if column:
            where += f" and ({column}, e.id) {sign} (%s, %s)"
            params += [value, row_id]
        else:
            where += f" and e.id {sign} %s"
            params.append(row_id)
    by = f"{column}{way}, e.id{way}" if column else f"e.id{way}"
    if plan.kinds is not None and len(plan.kinds) == 1 and order == "name":
        by = f"e.kind{way}, {by}"
    found = store.query(
        compose(
            "select {entity_columns} from graph_entity e where {where} order by {by} limit %s",
            entity_columns=store.ENTITY_COLUMNS,
            where=where,
            by=by,
        ),
        [*params, first + 1],
    )
    rows = [store.entity_row(row) for row in found[:first]]
    keys = [cursors.encode(f"{order}{way}", _value(row, order), row.id) for row in rows]
    return Page(rows, keys, len(found) > first, total, estimated)


def _value(row: EntityRow, order: str) -> Any:
    if order == "name":
        return row.name
    if order == "externalId":
        return row.external_id
    return row.updated_at.isoformat() if order == "updatedAt" else None


def conditions(tenant_id: UUID, plan: filters.Plan) -> tuple[str, list[Any]]:
    where, params = ["e.tenant_id = %s", *plan.where], [tenant_id, *plan.params]
    if plan.kinds is not None:
        if len(plan.kinds) == 1:
            where.append("e.kind = %s")
            params.append(plan.kinds[0])
        else:
            where.append("e.kind = any(%s)")
            params.append(plan.kinds)
    return " and ".join(where), params


def counted(tenant_id: UUID, plan: filters.Plan) -> tuple[int, bool]:
    """Return (how many fit, exact up to COUNT_LIMIT; whether that is an estimate)."""
    if plan.indexed_elsewhere:
        return _count_matching(tenant_id, plan)
    where, params = conditions(tenant_id, plan)
    return _count(where, params, plan)


def matching(
    tenant_id: UUID, plan: filters.Plan, first: int, after: str | None, form: Form
) -> tuple[list[Any], list[UUID], bool]:
    """Return (rows, where the reader stands after each, whether more may follow).

    Ids come from the read function; what it does not compare is checked here, so a reader may stand beyond the last row.
    """
    position = cursors.decode(after, "id")[1] if after is not None else NIL
    where, params = conditions(tenant_id, filters.Plan(where=plan.where, params=plan.params))
    rows: list[Any] = []
    more = True
    for _ in range(_MOST_CHUNKS):
        size = first + 1 - len(rows) if not plan.where else max(_CHUNK, first + 1)
        ids = match_ids(plan, position, size)
        if ids:
            found = store.query(
                compose(
                    "select {columns} from graph_entity e where {where} and e.id = any(%s) order by e.id",
                    columns=form.columns,
                    where=where,
                ),
                [*params, ids],
            )
            rows += [form.make(row) for row in found]
            position = ids[-1]
        if len(rows) > first:
            rows = rows[:first]
            return rows, [form.id_of(row) for row in rows], True
        if len(ids) < size:
            more = False
            break
    ends = [form.id_of(row) for row in rows]
    if more and ends and position > ends[-1]:
        ends[-1] = position
    return rows, ends, more


def match_ids(plan: filters.Plan, after: UUID, limit: int) -> list[UUID]:
    """Return ids above `after`, in order, of entities whose tags, properties and kind fit."""
    return [
        row[0]
        for row in store.query(
            "select * from ig_match_entities(%s::tsquery, %s::jsonpath, %s::text[], %s, %s, %s::text[], %s::jsonpath)",
            (plan.tag_query(), plan.path or None, plan.kinds, after, limit, plan.keys or None, plan.checks or None),
        )
    ]


def _count_matching(tenant_id: UUID, plan: filters.Plan) -> tuple[int, bool]:
    if not plan.where:
        counted = len(match_ids(plan, NIL, COUNT_LIMIT + 1))
    else:
        where, params = conditions(tenant_id, filters.Plan(where=plan.where, params=plan.params))
        rows = store.query(
            compose(
                "select count(*) from graph_entity e"
                " where {where} and e.id = any(array(select ig_match_entities("
                "%s::tsquery, %s::jsonpath, %s::text[], %s, %s, %s::text[], %s::jsonpath)))",
                where=where,
            ),
            [
                *params,
                plan.tag_query(),
                plan.path or None,
                plan.kinds,
                NIL,
                COUNT_LIMIT + 1,
                plan.keys or None,
                plan.checks or None,
            ],
        )
        counted = int(rows[0][0])
    return (counted, False) if counted <= COUNT_LIMIT else (COUNT_LIMIT, True)


def _count(where: str, params: list[Any], plan: filters.Plan) -> tuple[int, bool]:
    # What is compared decides the plan; without comparisons the tenant's own index is the best one anyway.
    rows = (store.by_index if plan.where else store.query)(
        compose("select count(*) from (select 1 from graph_entity e where {where} limit %s) x", where=where),
        [*params, COUNT_LIMIT + 1],
    )
    counted = int(rows[0][0])
    if counted <= COUNT_LIMIT:
        return counted, False
    if not plan.where:
        kinds = "and kind = any(%s)" if plan.kinds is not None else ""
        projected = store.by_index(
            compose(
                "select coalesce(sum(count), 0) from graph_kind_count"
                " where tenant_id = %s and ref_kind = 'entity' {kinds}",
                kinds=kinds,
            ),
            [params[0], *([plan.kinds] if plan.kinds is not None else [])],
        )
        return max(int(projected[0][0]), COUNT_LIMIT), True
    planned = store.query(
        compose("explain (format json) select 1 from graph_entity e where {where}", where=where), params
    )
    described = planned[0][0]
    described = orjson.loads(described) if isinstance(described, (str, bytes)) else described
    return max(int(described[0]["Plan"]["Plan Rows"]), COUNT_LIMIT), True
