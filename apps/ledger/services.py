"""Verbs of the ledger: append a record, store a checkpoint."""

from uuid import UUID

from django.db import connections, transaction

from apps.core.routers import write_alias
from apps.core.statements import run_prepared
from apps.ledger import bodies, merkle
from apps.ledger.chain import checkpoint_note
from apps.ledger.disclosure import export, prove, prove_extension
from apps.ledger.sequencer import OnTick, Sequencer, Tick
from apps.ledger.sequencer import run as run_sequencer
from apps.ledger.types import Appended, CheckpointRow, Entry
from apps.ledger.verification import checkpoint_due, verify, verify_order

__all__ = [
    "OnTick",
    "Sequencer",
    "Tick",
    "append",
    "checkpoint_due",
    "checkpoint_note",
    "erase_sealed",
    "export",
    "prove",
    "prove_extension",
    "run_sequencer",
    "store_checkpoint",
    "verify",
    "verify_order",
]

_INSERT_RECORD = (
    "insert into ledger_record (tenant_id, event_id, type, actor, at, body, leaf, item_count)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s) returning id"
)
_INSERT_TRACED = (
    "insert into ledger_record (tenant_id, event_id, type, actor, at, body, leaf, item_count, trace)"
    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) returning id"
)
_INSERT_ITEMS = (
    "insert into ledger_item (tenant_id, record_id, position, ref_kind, ref_id, op, version, kind, commitment)"
    " select %s, %s, i.ord - 1, i.ref_kind, i.ref_id, i.op, i.version, i.kind, i.commitment"
    " from unnest(%b::text[], %b::uuid[], %b::text[], %b::int[], %b::text[], %b::bytea[])"
    " with ordinality as i(ref_kind, ref_id, op, version, kind, commitment, ord)"
)
_INSERT_SEALED = "insert into ledger_sealed (tenant_id, record_id, name, salt, value) values (%s, %s, %s, %s, %s)"


def append(entry: Entry) -> Appended:
    """Insert one record (with its items and sealed values) in the caller's transaction.

    The cost is one insert, two with items. Nothing is numbered here: the sequencer does that after commit.
    Raises LedgerEncodingError when `entry.data` holds what a record cannot, TransactionManagementError outside a
    transaction.
    """
    alias = write_alias()
    connection = connections[alias]
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a record is appended inside the transaction of its change")
    salted = bodies.seal(entry.sealed)
    encoded = bodies.record_body(entry, salted)
    row = (
        entry.tenant_id,
        entry.event_id,
        entry.type,
        entry.actor,
        entry.at,
        encoded,
        merkle.leaf_hash(encoded),
        len(entry.items),
    )
    if entry.trace:
        inserted = run_prepared(alias, _INSERT_TRACED, (*row, entry.trace))
    else:
        inserted = run_prepared(alias, _INSERT_RECORD, row)
    record_id = int(inserted[0][0])
    if not entry.items and not salted:
        return Appended(record_id=record_id, event_id=entry.event_id, tenant_id=entry.tenant_id)
    with connection.cursor() as cursor:
        if entry.items:
            items = entry.items
            run_prepared(
                alias,
                _INSERT_ITEMS,
                (
                    entry.tenant_id,
                    record_id,
                    [i.ref_kind for i in items],
                    [i.ref_id for i in items],
                    [i.op for i in items],
                    [i.version for i in items],
                    [i.kind for i in items],
                    [i.commitment for i in items],
                ),
            )
        for name, (salt, value) in salted.items():
            cursor.execute(_INSERT_SEALED, (entry.tenant_id, record_id, name, salt, value))
    return Appended(record_id=record_id, event_id=entry.event_id, tenant_id=entry.tenant_id)


def store_checkpoint(checkpoint: CheckpointRow) -> bool:
    """Insert a signed checkpoint; return False when one of that size stands already."""
    alias = write_alias()
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "insert into ledger_checkpoint (tenant_id, size, root, head, at, key_id, note, signature, frontier)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
            (
                checkpoint.tenant_id,
                checkpoint.size,
                checkpoint.root,
                checkpoint.head,
                checkpoint.at,
                checkpoint.key_id,
                checkpoint.note,
                checkpoint.signature,
                checkpoint.frontier,
            ),
        )
        return bool(cursor.rowcount)


def erase_sealed(tenant_id: UUID, record_ids: list[int]) -> int:
    """Delete the sealed values of these records and their salts; every proof still verifies. Returns how many."""
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(
            "delete from ledger_sealed where tenant_id = %s and record_id = any(%s)", (tenant_id, record_ids)
        )
        return int(cursor.rowcount)
