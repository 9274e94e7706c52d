"""Reading a few fields of entities, ready to be written as JSON: for doors that know what was asked for.

A whole row costs some twenty times what two of its texts cost. Each row comes with its tags, by which a door decides
how it is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.scope import require_tenant_id
from apps.core.statements import compose
from apps.graph import cursors, filters, store
from apps.graph.selectors.entities import Form, conditions, counted, matching
from apps.graph.types import MAX_PAGE

_MOMENT = "to_char({column} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
VALUES: dict[str, str] = {
    "id": "e.id::text",
    "kind": "e.kind",
    "external_id": "e.external_id",
    "name": "e.name",
    "properties": "e.properties::text",
    "data_class": "e.data_class",
    "retention_tier": "e.retention_tier",
    "redaction_policy": "e.redaction_policy",
    "purposes": "to_json(e.purposes)::text",
    "licence": "e.licence",
    "source": "e.source",
    "region": "e.region",
    "version": "e.version",
    "created_at": compose(_MOMENT, column="e.created_at"),
    "updated_at": compose(_MOMENT, column="e.updated_at"),
}
"""What can be asked for, as text or a number; `properties` and `purposes` as JSON, moments in RFC 3339."""
# The tags, empty purposes as null, the kind and the id.
_TAIL = "e.data_class, e.redaction_policy, nullif(e.purposes, '{}'), e.kind, e.id"


@dataclass(frozen=True, slots=True)
class ValuesPage:
    """Rows of values in the order asked for, then data class, redaction policy, purposes (or None), kind and id.

    `ends` are where the reader stands after each row; `total` counts up to 10,000 when it was asked for.
    """

    rows: list[tuple[Any, ...]]
    ends: list[UUID]
    has_next: bool
    total: int = 0
    total_is_estimate: bool = True

    def cursor(self, place: int) -> str:
        """Return the cursor behind a row."""
        return cursors.encode("id", None, self.ends[place])


def _columns(names: Sequence[str]) -> str:
    return ", ".join([*(VALUES[name] for name in names), _TAIL])


def _as_is(row: Sequence[Any]) -> Any:
    return row


def _last(row: Any) -> UUID:
    found: UUID = row[-1]
    return found


def entity_values(ctx: Context, entity_id: UUID, names: Sequence[str]) -> tuple[Any, ...] | None:
    """Return one entity's values (see ValuesPage), or None: there is none of that id in this tenant."""
    rows = store.hot(
        compose("select {columns} from graph_entity e where e.tenant_id = %s and e.id = %s", columns=_columns(names)),
        (require_tenant_id(), entity_id),
    )
    return rows[0] if rows else None


def list_values(
    ctx: Context,
    names: Sequence[str],
    *,
    filters_: Any = None,
    kind: str | None = None,
    first: int = 50,
    after: str | None = None,
    count: bool = True,
) -> ValuesPage:
    """Return a page of entities' values in order of id: the rows that `list_entities` gives for the same arguments.

    Raises InvalidInput for a bad filter, cursor or size.
    """
    if not 1 <= first <= MAX_PAGE:
        raise InvalidInput(f"first must be 1 to {MAX_PAGE}", field="first")
    plan = filters.parse(filters_, kind=kind)
    tenant_id = require_tenant_id()
    total, estimated = counted(tenant_id, plan) if count else (0, True)
    if plan.indexed_elsewhere:
        rows, ends, more = matching(tenant_id, plan, first, after, Form(_columns(names), _as_is, _last))
        return ValuesPage(rows, ends, more, total, estimated)
    where, params = conditions(tenant_id, plan)
    if after is not None:
        where += " and e.id > %s"
        params.append(cursors.decode(after, "id")[1])
    found = store.hot(
        compose(
            "select {columns} from graph_entity e where {where} order by e.id limit %s",
            columns=_columns(names),
            where=where,
        ),
        [*params, first + 1],
    )
    rows = found[:first]
    return ValuesPage(rows, [row[-1] for row in rows], len(found) > first, total, estimated)
