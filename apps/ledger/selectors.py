"""Reads of the ledger. The scope decides whose rows are seen; `tenant_id` is passed besides (two locks)."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from apps.core.routers import write_alias
from apps.ledger import merkle
from apps.ledger.chain import link_hash
from apps.ledger.oversight import backlog as backlog
from apps.ledger.oversight import links_of as links_of
from apps.ledger.oversight import sequencer_state as sequencer_state
from apps.ledger.oversight import told as told
from apps.ledger.types import CheckpointRow, Item, LinkedRecord, TenantHead, Waiting

_COLUMNS = (
    "l.position, l.tenant_id, l.number, l.record_id, r.event_id, r.type, r.actor, r.at, r.body, r.leaf, l.prev, l.hash,"
    " r.item_count, l.linked_at"
)
_JOIN = "from ledger_link l join ledger_record r on r.id = l.record_id"


def _rows(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _linked(row: tuple[Any, ...]) -> LinkedRecord:
    position, tenant, number, record, event, type_, actor, at, body, leaf, prev, hash_, items, linked_at = row
    return LinkedRecord(
        position,
        tenant,
        number,
        record,
        event,
        type_,
        actor,
        at,
        bytes(body),
        bytes(leaf),
        bytes(prev),
        bytes(hash_),
        items,
        linked_at,
    )


def records(tenant_id: UUID, *, after: int = 0, up_to: int | None = None, limit: int = 1000) -> list[LinkedRecord]:
    """Return at most `limit` records numbered above `after` (and at most `up_to`), in order."""
    return [
        _linked(row)
        for row in _rows(
            f"select {_COLUMNS} {_JOIN} where l.tenant_id = %s and l.number > %s and l.number <= %s"
            " order by l.number limit %s",
            (tenant_id, after, up_to if up_to is not None else 2**62, limit),
        )
    ]


def newest(
    tenant_id: UUID, *, before: int | None = None, type_: str | None = None, limit: int = 50
) -> list[LinkedRecord]:
    """Return the newest records, newest first, below number `before`, of one event type if given."""
    type_filter = "and r.type = %s and r.tenant_id = l.tenant_id" if type_ else ""
    params: list[Any] = [tenant_id, before if before is not None else 2**62]
    if type_:
        params.append(type_)
    return [
        _linked(row)
        for row in _rows(
            f"select {_COLUMNS} {_JOIN} where l.tenant_id = %s and l.number < %s {type_filter}"
            " order by l.number desc limit %s",
            [*params, limit],
        )
    ]


def record(tenant_id: UUID, number: int) -> LinkedRecord | None:
    """Return the record of that number, or None."""
    found = records(tenant_id, after=number - 1, up_to=number, limit=1)
    return found[0] if found else None


def holds(record: LinkedRecord) -> bool:
    """Return whether a record's body gives its leaf hash, and that its place in the chain gives its hash.

    It is the check of one link; that the link before it is sound is checked by `verify`.
    """
    if merkle.leaf_hash(record.body) != record.leaf:
        return False
    return link_hash(record.tenant_id, record.number, record.prev, record.leaf) == record.hash


def activity(tenant_id: UUID, *, since: datetime, limit: int = 10_000) -> list[tuple[datetime, int]]:
    """Return (time, number of items) of the records since then, newest first, of at most the `limit` newest."""
    rows = _rows(
        "select x.at, x.item_count from (select r.at, r.item_count from ledger_link l"
        " join ledger_record r on r.id = l.record_id where l.tenant_id = %s order by l.number desc limit %s) x"
        " where x.at >= %s",
        (tenant_id, limit, since),
    )
    return [(at, items) for at, items in rows]


def weight(tenant_id: UUID, *, up_to: int) -> tuple[int, int]:
    """Return (records, items) of the tenant's ledger, of its first `up_to` records: what verifying it would read."""
    ((records_, items),) = _rows(
        "select count(*), coalesce(sum(r.item_count), 0)::bigint from ledger_link l"
        " join ledger_record r on r.id = l.record_id where l.tenant_id = %s and l.number <= %s",
        (tenant_id, up_to),
    )
    return records_, items


def walk(tenant_id: UUID, *, after: int = 0, batch: int = 2000) -> Iterator[LinkedRecord]:
    """Yield every record numbered above `after`, in order, `batch` rows a query."""
    while found := records(tenant_id, after=after, limit=batch):
        yield from found
        after = found[-1].number


def delivered_after(position: int, *, limit: int) -> list[LinkedRecord]:
    """Return records of all tenants linked after `position`, in order (system scope)."""
    return [
        _linked(row)
        for row in _rows(
            f"select {_COLUMNS} {_JOIN} where l.position > %s order by l.position limit %s",
            (position, limit),
        )
    ]


def traces_of(record_ids: Sequence[int]) -> list[str]:
    """Return the `traceparent`s of these records, of those that have one."""
    rows = _rows(
        "select trace from ledger_record where id = any(%s) and trace is not null order by id", (list(record_ids),)
    )
    return [row[0] for row in rows]


def items_of(tenant_id: UUID, record_id: int, *, after: int = -1, limit: int = 10_000) -> list[tuple[int, Item]]:
    """Return (position, item) of a record, in order, above position `after`."""
    rows = _rows(
        "select position, ref_kind, ref_id, op, version, kind, commitment from ledger_item"
        " where tenant_id = %s and record_id = %s and position > %s order by position limit %s",
        (tenant_id, record_id, after, limit),
    )
    return [
        (p, Item(ref_kind, ref_id, op, version, kind, bytes(c))) for p, ref_kind, ref_id, op, version, kind, c in rows
    ]


def items_of_many(record_ids: Sequence[int]) -> dict[int, list[tuple[int, Item]]]:
    """Return the items of several records, by record id, in order of position."""
    found: dict[int, list[tuple[int, Item]]] = {record_id: [] for record_id in record_ids}
    for record_id, position, ref_kind, ref_id, op, version, kind, c in _rows(
        "select i.record_id, i.position, i.ref_kind, i.ref_id, i.op, i.version, i.kind, i.commitment"
        " from ledger_record r join ledger_item i on i.tenant_id = r.tenant_id and i.record_id = r.id"
        " where r.id = any(%s) order by i.record_id, i.position",
        (list(record_ids),),
    ):
        found[record_id].append((position, Item(ref_kind, ref_id, op, version, kind, bytes(c))))
    return found


def history_of(tenant_id: UUID, ref_id: UUID, *, limit: int = 50) -> list[tuple[LinkedRecord, int, Item]]:
    """Return (record, item position, item) for the changes of one thing, newest first; only numbered records."""
    rows = _rows(
        "select l.position, l.tenant_id, l.number, l.record_id, r.event_id, r.type, r.actor, r.at, r.body, r.leaf, l.prev,"
        " l.hash, r.item_count, l.linked_at, i.position, i.ref_kind, i.ref_id, i.op, i.version, i.kind, i.commitment"
        " from ledger_item i join ledger_link l on l.record_id = i.record_id join ledger_record r on r.id = i.record_id"
        " where i.tenant_id = %s and i.ref_id = %s order by i.version desc limit %s",
        (tenant_id, ref_id, limit),
    )
    return [
        (_linked(row[:14]), row[14], Item(row[15], row[16], row[17], row[18], row[19], bytes(row[20]))) for row in rows
    ]


def head(tenant_id: UUID) -> TenantHead | None:
    """Return where the tenant's ledger stands, or None when it is empty."""
    rows = _rows("select tenant_id, number, hash from ledger_head where tenant_id = %s", (tenant_id,))
    return TenantHead(rows[0][0], rows[0][1], bytes(rows[0][2])) if rows else None


def heads() -> list[TenantHead]:
    """Return the heads of all tenants in scope."""
    rows = _rows("select tenant_id, number, hash from ledger_head order by tenant_id", ())
    return [TenantHead(tenant, number, bytes(hash_)) for tenant, number, hash_ in rows]


def head_position() -> int:
    """Return the position of the newest link of all tenants (system scope)."""
    return int(_rows("select coalesce(max(position), 0) from ledger_link", ())[0][0])


def number_at(tenant_id: UUID, position: int) -> int:
    """Return the number of the tenant's newest record linked at or before `position` of all tenants; 0: none."""
    rows = _rows(
        "select number from ledger_link where tenant_id = %s and position <= %s order by number desc limit 1",
        (tenant_id, position),
    )
    return int(rows[0][0]) if rows else 0


def unnumbered(tenant_id: UUID) -> int:
    """Return how many of the tenant's committed records are not numbered yet. Cheap: reads the newest records only."""
    rows = _rows("select snapshot from ledger_sequencer where id = 1", ())
    if not rows or not rows[0][0]:
        return waiting(tenant_id).count
    snapshot = rows[0][0]
    return int(
        _rows(
            "select count(*) from ledger_record r where r.tenant_id = %s and r.xid >= pg_snapshot_xmin(%s::pg_snapshot)"
            " and not pg_visible_in_snapshot(r.xid, %s::pg_snapshot)",
            (tenant_id, snapshot, snapshot),
        )[0][0]
    )


def tally(tenant_id: UUID, *, up_to_position: int) -> dict[tuple[str, str], int]:
    """Return {(ref kind, kind): created minus deleted} over the items of records linked up to a position of all tenants."""
    return {
        (ref_kind, kind): int(number)
        for ref_kind, kind, number in _rows(
            "select i.ref_kind, i.kind, sum(case i.op when 'created' then 1 when 'deleted' then -1 else 0 end)"
            " from ledger_link l join ledger_item i on i.tenant_id = l.tenant_id and i.record_id = l.record_id"
            " where l.tenant_id = %s and l.position <= %s group by i.ref_kind, i.kind",
            (tenant_id, up_to_position),
        )
    }


def tenants_with_records() -> list[UUID]:
    """Return every tenant that has a head, a link or a checkpoint, in a fixed order (system scope)."""
    return [
        row[0]
        for row in _rows(
            "select tenant_id from ledger_head union select tenant_id from ledger_checkpoint"
            " union select distinct tenant_id from ledger_record order by 1",
            (),
        )
    ]


def waiting(tenant_id: UUID | None = None) -> Waiting:
    """Return how many committed records are not numbered yet, and the age of the oldest in seconds."""
    rows = _rows(
        "select count(*), coalesce(extract(epoch from now() - min(r.at)), 0) from ledger_record r"
        " where (%s::uuid is null or r.tenant_id = %s)"
        " and not exists (select 1 from ledger_link l where l.record_id = r.id)",
        (tenant_id, tenant_id),
    )
    return Waiting(int(rows[0][0]), max(0.0, float(rows[0][1])))


def leaf_hashes(tenant_id: UUID, start: int, stop: int) -> list[bytes]:
    """Return the leaf hashes of records numbered start..stop, both included, in order."""
    return [
        bytes(row[0])
        for row in _rows(
            "select r.leaf from ledger_link l join ledger_record r on r.id = l.record_id"
            " where l.tenant_id = %s and l.number between %s and %s order by l.number",
            (tenant_id, start, stop),
        )
    ]


_CHECKPOINTS_UP = (
    "select tenant_id, size, root, head, at, key_id, note, signature, frontier from ledger_checkpoint"
    " where tenant_id = %s and size >= %s order by size limit %s"
)
_CHECKPOINTS_DOWN = (
    "select tenant_id, size, root, head, at, key_id, note, signature, frontier from ledger_checkpoint"
    " where tenant_id = %s and size <= %s order by size desc limit %s"
)
_MOST = 2**62


def _checkpoint(row: tuple[Any, ...]) -> CheckpointRow:
    tenant, size, root, head_, at, key_id, note, signature, frontier = row
    return CheckpointRow(tenant, size, bytes(root), bytes(head_), at, key_id, note, bytes(signature), bytes(frontier))


def checkpoints(tenant_id: UUID) -> list[CheckpointRow]:
    """Return the tenant's checkpoints, smallest first."""
    return [_checkpoint(row) for row in _rows(_CHECKPOINTS_UP, (tenant_id, 0, None))]


def checkpoints_before(tenant_id: UUID, size: int | None, *, limit: int) -> list[CheckpointRow]:
    """Return at most `limit` checkpoints over fewer than `size` records (None: of all), newest first."""
    rows = _rows(_CHECKPOINTS_DOWN, (tenant_id, size - 1 if size is not None else _MOST, limit))
    return [_checkpoint(row) for row in rows]


def newest_checkpoint(tenant_id: UUID, *, up_to: int | None = None) -> CheckpointRow | None:
    """Return the tenant's newest checkpoint (of at most `up_to` records), or None."""
    rows = _rows(_CHECKPOINTS_DOWN, (tenant_id, up_to if up_to is not None else _MOST, 1))
    return _checkpoint(rows[0]) if rows else None


def checkpoint_over(tenant_id: UUID, size: int, *, exact: bool = False) -> CheckpointRow | None:
    """Return the tenant's smallest checkpoint over at least `size` records (`exact`: of that size), or None."""
    rows = _rows(_CHECKPOINTS_UP, (tenant_id, size, 1))
    found = _checkpoint(rows[0]) if rows else None
    return None if found is not None and exact and found.size != size else found
