"""Statements of the graph's tables: set-based, tenant first. The scope's connection carries them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connections, transaction

from apps.core.routers import write_alias
from apps.core.statements import compose, run_prepared
from apps.graph.types import EdgeRow, EntityRow

ENTITY_COLUMNS = (
    "e.id, e.kind, e.external_id, e.name, e.properties, e.data_class, e.retention_tier, e.redaction_policy, e.purposes,"
    " e.licence, e.source, e.region, e.subject_keys, e.version, e.created_at, e.updated_at"
)
EDGE_COLUMNS = (
    "e.id, e.kind, e.external_id, e.source_entity_id, e.target_entity_id, e.properties, e.data_class, e.retention_tier,"
    " e.redaction_policy, e.purposes, e.licence, e.source, e.version, e.created_at, e.updated_at"
)


def query(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a statement on the scope's connection."""
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


def by_index(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a statement planned without sequential scans: they would read every tenant's rows."""
    with transaction.atomic(using=write_alias()):
        execute("set local enable_seqscan = off", ())
        rows = query(sql, params)
        execute("set local enable_seqscan = on", ())
        return rows


def hot(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a frequent statement: prepared, with lists sent in binary (`%b`), which spares quoting them."""
    return run_prepared(write_alias(), sql, params)


def execute(sql: str, params: Sequence[Any]) -> int:
    """Run a statement on the scope's connection; return how many rows it touched."""
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        return int(cursor.rowcount)


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


def entity_row(row: Sequence[Any]) -> EntityRow:
    """Return the typed row for `ENTITY_COLUMNS`."""
    return EntityRow(
        row[0],
        row[1],
        row[2],
        row[3],
        _json(row[4]),
        row[5],
        row[6],
        row[7],
        tuple(row[8]),
        row[9],
        row[10],
        row[11],
        tuple(row[12]),
        row[13],
        row[14],
        row[15],
    )


def edge_row(row: Sequence[Any]) -> EdgeRow:
    """Return the typed row for `EDGE_COLUMNS`."""
    return EdgeRow(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        _json(row[5]),
        row[6],
        row[7],
        row[8],
        tuple(row[9]),
        row[10],
        row[11],
        row[12],
        row[13],
        row[14],
    )


def entities_by_key(
    tenant_id: UUID, keys: Sequence[tuple[str, str]], *, lock: bool = False
) -> dict[tuple[str, str], tuple[EntityRow, bytes]]:
    """Return {(kind, external id): (row, content hash)}; with `lock` the rows are locked in order of key."""
    rows = hot(
        compose(
            "select {entity_columns}, e.content_hash from unnest(%b::text[], %b::text[]) as k(kind, external_id)"
            " join graph_entity e on e.tenant_id = %s and e.kind = k.kind and e.external_id = k.external_id"
            " order by e.kind, e.external_id",
            entity_columns=ENTITY_COLUMNS,
        )
        + (" for update of e" if lock else ""),
        ([k for k, _ in keys], [x for _, x in keys], tenant_id),
    )
    return {(row[1], row[2]): (entity_row(row), bytes(row[16])) for row in rows}


def entity_ids_by_key(tenant_id: UUID, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Return {(kind, external id): id}."""
    rows = hot(
        "select e.kind, e.external_id, e.id from unnest(%b::text[], %b::text[]) as k(kind, external_id)"
        " join graph_entity e on e.tenant_id = %s and e.kind = k.kind and e.external_id = k.external_id",
        ([k for k, _ in keys], [x for _, x in keys], tenant_id),
    )
    return {(kind, external_id): id_ for kind, external_id, id_ in rows}


def existing_entity_ids(tenant_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these ids are entities of the tenant."""
    return {
        row[0]
        for row in query("select id from graph_entity where tenant_id = %s and id = any(%s)", (tenant_id, list(ids)))
    }


def edges_by_key(
    tenant_id: UUID, keys: Sequence[tuple[str, str]], *, lock: bool = False
) -> dict[tuple[str, str], tuple[EdgeRow, bytes]]:
    """Return {(kind, key): (row, content hash)}; with `lock` the rows are locked in order of key."""
    rows = hot(
        compose(
            "select {edge_columns}, e.content_hash, e.key from unnest(%b::text[], %b::text[]) as k(kind, key)"
            " join graph_edge e on e.tenant_id = %s and e.kind = k.kind and e.key = k.key"
            " order by e.kind, e.key",
            edge_columns=EDGE_COLUMNS,
        )
        + (" for update of e" if lock else ""),
        ([k for k, _ in keys], [x for _, x in keys], tenant_id),
    )
    return {(row[1], row[16]): (edge_row(row), bytes(row[15])) for row in rows}


UPSERT_ENTITIES = """
insert into graph_entity (id, tenant_id, kind, external_id, name, properties, data_class, retention_tier,
  redaction_policy, purposes, licence, source, region, subject_keys, version, content_hash, created_at, updated_at)
select i.id, %s, i.kind, i.external_id, i.name, i.properties::jsonb, i.data_class, i.retention_tier, i.redaction_policy,
  coalesce(string_to_array(nullif(i.purposes, ''), chr(31)), '{}'), i.licence, i.source, %s,
  coalesce(string_to_array(nullif(i.subject_keys, ''), chr(31)), '{}'), i.version, i.hash, %s, %s
from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
  %b::text[], %b::text[], %b::text[], %b::int[], %b::bytea[])
  as i(id, kind, external_id, name, properties, data_class, retention_tier, redaction_policy, purposes, licence, source,
  subject_keys, version, hash)
order by i.kind, i.external_id
on conflict (tenant_id, kind, external_id) do update set name = excluded.name, properties = excluded.properties,
  data_class = excluded.data_class, retention_tier = excluded.retention_tier,
  redaction_policy = excluded.redaction_policy, purposes = excluded.purposes, licence = excluded.licence,
  source = excluded.source, subject_keys = excluded.subject_keys, version = excluded.version,
  content_hash = excluded.content_hash, updated_at = excluded.updated_at
where graph_entity.version = excluded.version - 1
returning id, kind, external_id, version, nullif(created_at, updated_at)
"""
UPSERT_EDGES = """
insert into graph_edge (id, tenant_id, kind, external_id, key, source_entity_id, target_entity_id, properties,
  data_class, retention_tier, redaction_policy, purposes, licence, source, version, content_hash, created_at, updated_at)
select i.id, %s, i.kind, i.external_id, i.key, i.source_id, i.target_id, i.properties::jsonb, i.data_class,
  i.retention_tier, i.redaction_policy, coalesce(string_to_array(nullif(i.purposes, ''), chr(31)), '{}'), i.licence, i.source, i.version, i.hash,
  %s, %s
from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[],
  %b::text[], %b::text[], %b::text[], %b::text[], %b::int[], %b::bytea[])
  as i(id, kind, external_id, key, source_id, target_id, properties, data_class, retention_tier, redaction_policy,
  purposes, licence, source, version, hash)
order by i.kind, i.key
on conflict (tenant_id, kind, key) do update set source_entity_id = excluded.source_entity_id,
  target_entity_id = excluded.target_entity_id, properties = excluded.properties, data_class = excluded.data_class,
  retention_tier = excluded.retention_tier, redaction_policy = excluded.redaction_policy,
  purposes = excluded.purposes, licence = excluded.licence, source = excluded.source, version = excluded.version,
  content_hash = excluded.content_hash, updated_at = excluded.updated_at
where graph_edge.version = excluded.version - 1
returning id, kind, key, version, nullif(created_at, updated_at)
"""
INSERT_REVISIONS = """
insert into graph_revision (tenant_id, ref_id, version, ref_kind, op, at, salt, document)
select %s, i.ref_id, i.version, %s, i.op, %s, i.salt, i.document
from unnest(%b::uuid[], %b::int[], %b::text[], %b::bytea[], %b::bytea[]) as i(ref_id, version, op, salt, document)
"""


def insert_revisions(
    tenant_id: UUID, ref_kind: str, at: datetime, rows: Sequence[tuple[UUID, int, str, bytes, bytes]]
) -> None:
    """Insert (ref id, version, op, salt, document) rows."""
    if rows:
        hot(
            INSERT_REVISIONS,
            (
                tenant_id,
                ref_kind,
                at,
                [r[0] for r in rows],
                [r[1] for r in rows],
                [r[2] for r in rows],
                [r[3] for r in rows],
                [r[4] for r in rows],
            ),
        )
