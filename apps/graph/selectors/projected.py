"""What a projection is made of: keys, kinds, versions and ends as they stand. For the system scope; the tenant is named."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from apps.graph import store

_NIL = UUID(int=0)
_ENTITY = "select id, kind, version from graph_entity where tenant_id = %s"
_RELATION = "select id, kind, version, source_entity_id, target_entity_id from graph_edge where tenant_id = %s"


def _entity(row: tuple[Any, ...]) -> dict[str, Any]:
    return {"id": str(row[0]), "kind": row[1], "version": row[2]}


def _relation(row: tuple[Any, ...]) -> dict[str, Any]:
    return {"id": str(row[0]), "kind": row[1], "version": row[2], "source": str(row[3]), "target": str(row[4])}


def entities(tenant_id: UUID, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return id, kind and version of these entities; those that do not exist are left out."""
    if not ids:
        return []
    return [_entity(row) for row in store.query(f"{_ENTITY} and id = any(%s)", (tenant_id, list(ids)))]


def entities_after(tenant_id: UUID, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the next `limit` entities after an id ("": from the first), in order of id."""
    rows = store.query(
        f"{_ENTITY} and id > %s order by id limit %s", (tenant_id, UUID(after) if after else _NIL, limit)
    )
    return [_entity(row) for row in rows]


def relations(tenant_id: UUID, ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return id, kind, version, source and target of these edges; those that do not exist are left out."""
    if not ids:
        return []
    return [_relation(row) for row in store.query(f"{_RELATION} and id = any(%s)", (tenant_id, list(ids)))]


def relations_after(tenant_id: UUID, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the next `limit` edges after an id ("": from the first), in order of id."""
    rows = store.query(
        f"{_RELATION} and id > %s order by id limit %s", (tenant_id, UUID(after) if after else _NIL, limit)
    )
    return [_relation(row) for row in rows]
