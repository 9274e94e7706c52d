"""Reads for those who watch over all ledgers: the sequencer, what waits for it, what the ledger tells of one thing."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connections

from apps.core.routers import write_alias
from apps.ledger.sequencer import LOCK_KEY
from apps.ledger.types import SequencerState, Told, Waiting

LOOK_BACK = 1000
"""Most records of each type that `told` looks through: the index serves the newest first, the data has no index."""

_TOLD = """
select x.id, x.tenant_id, x.type, x.actor, x.at, x.body, l.number, l.hash
from unnest(%s::text[]) as wanted(type)
cross join lateral (
  select r.id, r.tenant_id, r.type, r.actor, r.at, r.body from ledger_record r
  where r.tenant_id = %s and r.type = wanted.type order by r.id desc limit %s
) x
left join ledger_link l on l.record_id = x.id
where %s = '' or convert_from(x.body, 'UTF8')::jsonb -> 'data' ->> %s = %s
order by x.id desc limit %s
"""
_SEQUENCER = """
select s.position, s.updated_at, extract(epoch from now() - s.updated_at), a.pid, a.backend_start
from ledger_sequencer s
left join lateral (
  select k.pid, p.backend_start from pg_locks k left join pg_stat_activity p on p.pid = k.pid
  where k.locktype = 'advisory' and k.granted and k.objsubid = 1 and k.classid::bigint = %s and k.objid::bigint = %s
    and k.database = (select oid from pg_database where datname = current_database())
  limit 1
) a on true
where s.id = 1
"""
_BACKLOG = """
select count(*), coalesce(extract(epoch from now() - min(r.at)), 0) from ledger_record r
where r.xid >= pg_snapshot_xmin(%s::pg_snapshot) and not pg_visible_in_snapshot(r.xid, %s::pg_snapshot)
"""


def _rows(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def told(tenant_id: UUID, types: Sequence[str], *, key: str = "", value: str = "", limit: int = 50) -> list[Told]:
    """Return the newest records of these types whose data holds `value` at `key` (any data without a key).

    Looks through the newest `LOOK_BACK` records of each type.
    """
    return [
        Told(record_id, tenant, type_, actor, at, bytes(body), number, bytes(hash_) if hash_ else b"")
        for record_id, tenant, type_, actor, at, body, number, hash_ in _rows(
            _TOLD, (list(types), tenant_id, LOOK_BACK, key, key, value, limit)
        )
    ]


def links_of(record_ids: Sequence[int]) -> dict[int, tuple[int, int, bytes, bytes]]:
    """Return {record id: (number, position, hash before, hash)} of those records that are numbered."""
    return {
        record_id: (number, position, bytes(prev), bytes(hash_))
        for record_id, number, position, prev, hash_ in _rows(
            "select record_id, number, position, prev, hash from ledger_link where record_id = any(%s)",
            (list(record_ids),),
        )
    }


def sequencer_state() -> SequencerState:
    """Return where the sequencer stands, and which database session leads (system scope)."""
    rows = _rows(_SEQUENCER, (LOCK_KEY >> 32, LOCK_KEY & 0xFFFF_FFFF))
    if not rows:
        return SequencerState(position=0, at=None, age_s=None, leader_pid=None, leading_since=None)
    position, at, age_s, pid, since = rows[0]
    return SequencerState(int(position), at, float(age_s), pid, since)


def backlog() -> Waiting:
    """Return how many committed records of all tenants wait for their number, and the age of the oldest.

    Cheap at any size: reads what came after the sequencer's last snapshot (system scope).
    """
    found = _rows("select snapshot from ledger_sequencer where id = 1", ())
    if found and found[0][0]:
        rows = _rows(_BACKLOG, (found[0][0], found[0][0]))
    else:
        rows = _rows("select count(*), coalesce(extract(epoch from now() - min(at)), 0) from ledger_record", ())
    return Waiting(int(rows[0][0]), max(0.0, float(rows[0][1])))
