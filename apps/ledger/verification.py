"""Verification of the ledger where it lies: rows against hashes, columns against bodies, checkpoints against both.

The judge is the same stand-alone `verifier` that outsiders run; this module reads the rows for it, a batch at a time,
and adds what only the database can show: columns, heads, positions, missing rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connections

from apps.core.clock import iso
from apps.core.routers import write_alias
from apps.ledger import chain, merkle, selectors, verifier
from apps.ledger.bodies import item_body
from apps.ledger.errors import LedgerBroken
from apps.ledger.types import CheckpointDue, CheckpointRow, Finding, Item, Verification

BATCH_RECORDS = 1000
BATCH_ITEMS = 20_000

_RECORDS = (
    "select l.number, l.prev, l.hash, l.record_id, r.tenant_id, r.event_id, r.type, r.actor, r.at, r.body, r.leaf,"
    " r.item_count from ledger_link l left join ledger_record r on r.id = l.record_id"
    " where l.tenant_id = %s and l.number > %s and l.number <= %s order by l.number limit %s"
)
_ITEMS = (
    "select record_id, position, ref_kind, ref_id, op, version, kind, commitment from ledger_item"
    " where tenant_id = %s and record_id = any(%s) order by record_id, position"
)
_SEALED = "select record_id, name, salt, value from ledger_sealed where tenant_id = %s and record_id = any(%s)"
_HEADS = (
    "select (select max(number) from ledger_link where tenant_id = %s), h.number, h.hash"
    " from (select 1) as one left join ledger_head h on h.tenant_id = %s"
)


def _rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def verify(
    tenant_id: UUID,
    *,
    keys: Sequence[Mapping[str, Any]],
    trusted: bool = False,
    copies: Sequence[tuple[int, bytes, bytes]] | None = None,
) -> Verification:
    """Verify one tenant's ledger, in memory that does not grow with it.

    `keys` are public key documents; `trusted` says that they come from outside this installation, so that a ledger
    which none of them has signed is an error. `copies` are (size, note, signature) of checkpoints kept elsewhere,
    smallest first: they show a tail that was cut together with its checkpoints. The ledger may grow meanwhile.
    """
    ring = verifier.KeyRing(verifier.read_keys(list(keys), "keys"))
    ring.trust = "given" if trusted else "published"
    check = verifier.LedgerCheck(str(tenant_id), ring)
    # Checkpoints first: one that is signed after the newest link was looked up would seem to have lost its records.
    _check_checkpoints(check, selectors.checkpoints(tenant_id), copies)
    newest, head_number, head_hash = _rows(_HEADS, tenant_id, tenant_id)[0]
    last_hash = _check_records(check, tenant_id, newest or 0)
    report = check.finish()
    if head_number != newest:
        names = f"names record {head_number}" if head_number else "is missing"
        report.error("head.number", f"the head {names}, the newest link is {newest or 0}", number=newest)
    elif newest and bytes(head_hash) != last_hash:
        report.error("head.hash", f"the head's hash is not that of record {newest}", number=newest)
    if report.unlisted:
        report.notice("unlisted", f"{report.unlisted} further errors are not listed")
    return Verification(
        tenant_id=tenant_id,
        records=report.records,
        items=report.items,
        checkpoints=report.checkpoints,
        covered=report.covered,
        size=report.size,
        root=report.root,
        head=report.head,
        findings=tuple(
            Finding(tenant_id, f.number, f.position, f.code, f.message, f.severity) for f in report.findings
        ),
        waiting=selectors.waiting(tenant_id),
    )


def _check_checkpoints(
    check: verifier.LedgerCheck, rows: Sequence[CheckpointRow], copies: Sequence[tuple[int, bytes, bytes]] | None
) -> None:
    report = check.report
    for row in rows:
        place = f"checkpoint {row.size}"
        try:
            read = verifier.Checkpoint.read(row.note.encode("utf-8", "replace"), row.signature, place)
        except verifier.BadInput as error:
            report.error("checkpoint.row", str(error), number=row.size)
            continue
        try:
            frontier_root = merkle.Frontier.from_bytes(row.frontier).root()
        except ValueError:
            frontier_root = b""
        stated = (read.tenant, read.size, read.root, read.head, read.at, read.key_id, read.root)
        columns = (str(row.tenant_id), row.size, row.root, row.head, row.at, row.key_id, frontier_root)
        if stated != columns:
            report.error("checkpoint.row", f"{place}: columns differ from the signed note", number=row.size)
        check.checkpoint(read)
    if copies is None:
        return
    known = {row.size: (row.note.encode("utf-8", "replace"), row.signature) for row in rows}
    for size, note, signature in copies:
        place = f"copy of checkpoint {size}"
        if known.get(size) == (note, signature):
            continue
        problem = "differs from the row" if size in known else "has no row any more"
        report.error("checkpoint.copy", f"{place}: {problem}", number=size)
        try:
            check.checkpoint(verifier.Checkpoint.read(note, signature, place))
        except verifier.BadInput as error:
            report.error("checkpoint.copy", str(error), number=size)
    copied = {size for size, _, _ in copies}
    if known and max(known) not in copied:
        report.notice("checkpoint.uncopied", f"checkpoint {max(known)} has no copy in the object store yet")


def _check_records(check: verifier.LedgerCheck, tenant_id: UUID, up_to: int) -> bytes:
    """Feed every record with its items and sealed values; return the hash of the last link."""
    after, last_hash = 0, chain.GENESIS
    while rows := _rows(_RECORDS, tenant_id, after, up_to, BATCH_RECORDS):
        for group in _groups(rows):
            present = [row[3] for row in group if row[9] is not None]
            items: dict[int, list[tuple[int, bytes]]] = {}
            for record_id, position, ref_kind, ref_id, op, version, kind, commitment in _rows(
                _ITEMS, tenant_id, present
            ):
                body = item_body(Item(ref_kind, ref_id, op, version, kind, bytes(commitment)))
                items.setdefault(record_id, []).append((position, body))
            sealed: dict[int, list[tuple[str, bytes, bytes]]] = {}
            for record_id, name, salt, value in _rows(_SEALED, tenant_id, present):
                sealed.setdefault(record_id, []).append((name, bytes(salt), bytes(value)))
            for row in group:
                _check_record(check, tenant_id, row, items.get(row[3], ()), sealed.get(row[3], ()))
        after, last_hash = rows[-1][0], bytes(rows[-1][2])
    return last_hash


def _groups(rows: Sequence[tuple[Any, ...]]) -> Iterable[list[tuple[Any, ...]]]:
    """Split a batch so that the items of one group fit in memory."""
    group: list[tuple[Any, ...]] = []
    waiting = 0
    for row in rows:
        group.append(row)
        waiting += row[11] or 0
        if waiting >= BATCH_ITEMS:
            yield group
            group, waiting = [], 0
    if group:
        yield group


def _check_record(
    check: verifier.LedgerCheck,
    tenant_id: UUID,
    row: tuple[Any, ...],
    items: Iterable[tuple[int, bytes]],
    sealed: Iterable[tuple[str, bytes, bytes]],
) -> None:
    number, prev, hash_, _, record_tenant, event_id, type_, actor, at, body, leaf, item_count = row
    if body is None:
        check.absent(number, bytes(hash_))
        return
    body = bytes(body)
    parsed = check.record(number, body, bytes(prev), bytes(hash_))
    columns = {
        "tenant_id": (record_tenant, tenant_id),
        "leaf": (bytes(leaf), verifier.leaf_hash(body)),
    }
    if parsed is not None:
        batch = parsed.get("items") or {}
        columns |= {
            "event_id": (str(event_id), parsed["id"]),
            "type": (type_, parsed["type"]),
            "actor": (actor, parsed["actor"]),
            "at": (iso(at), parsed["at"]),
            "item_count": (item_count, batch.get("count", 0)),
        }
    if differing := [name for name, (there, wanted) in columns.items() if there != wanted]:
        message = f"record {number}: {', '.join(differing)} differ from the body"
        check.report.error("record.columns", message, number=number)
    for position, item in items:
        check.item(number, position, item)
    for name, salt, value in sealed:
        try:
            check.opening(number, name, salt, verifier.parse(value, f"sealed {name!r}"))
        except verifier.BadInput as error:
            check.report.error("opening", f"record {number}: {error}", number=number)


def verify_order() -> list[Finding]:
    """Return what is wrong with the positions that number the links of all tenants (system scope)."""
    count, lowest, highest, stands = _rows(
        "select count(*), coalesce(min(position), 1), coalesce(max(position), 0),"
        " coalesce((select position from ledger_sequencer where id = 1), 0) from ledger_link"
    )[0]
    if count != highest or lowest != 1:
        gaps = _rows(
            "select position from (select position, lag(position, 1, 0::bigint) over (order by position) as before"
            " from ledger_link) as l where position <> before + 1 order by position limit 1"
        )
        place = gaps[0][0] - 1 if gaps else highest
        message = f"{highest - count} of {highest} links are missing, the first before position {place + 1}"
        return [Finding(None, None, None, "position.gap", message)]
    if stands != highest:
        message = f"the sequencer stands at position {stands}, the newest link at {highest}"
        return [Finding(None, None, None, "position.end", message)]
    return []


def checkpoint_due(tenant_id: UUID) -> CheckpointDue | None:
    """Return what the tenant's next checkpoint has to say, or None when nothing was linked since the last.

    Every record since then is hashed anew on the way, so that a checkpoint never vouches for a row that was altered.
    Costs O(new records). Raises LedgerBroken.
    """
    previous = selectors.newest_checkpoint(tenant_id)
    size, head = (previous.size, previous.head) if previous else (0, chain.GENESIS)
    frontier = merkle.Frontier()
    if previous is not None:
        try:
            frontier = merkle.Frontier.from_bytes(previous.frontier)
        except ValueError as error:
            raise LedgerBroken(f"checkpoint {size}: {error}") from None
        if (frontier.size, frontier.root()) != (size, previous.root):
            raise LedgerBroken(f"checkpoint {size}: its frontier does not give its root")
    for record in selectors.walk(tenant_id, after=size):
        leaf = merkle.leaf_hash(record.body)
        if record.number != frontier.size + 1:
            raise LedgerBroken(f"record {frontier.size + 1} is missing")
        if record.prev != head or record.hash != chain.link_hash(tenant_id, record.number, head, leaf):
            raise LedgerBroken(f"record {record.number}: body does not match hash")
        frontier.append(leaf)
        head = record.hash
    if frontier.size == size:
        return None
    return CheckpointDue(tenant_id, frontier.size, frontier.root(), head, frontier.to_bytes(), previous)
