"""Verbs on ledgers: sign checkpoints, keep copies of them outside the database, verify, export."""

import gzip
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from apps.core import conf
from apps.core.context import Context
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.core.telemetry import get_logger, tracer
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.ledger.errors import LedgerBroken
from apps.ledger.types import CheckpointDue, CheckpointRow, Finding, Verification
from apps.tenants.selectors import everyone
from apps.vault import keys, selectors, signers, store
from apps.vault.errors import ObjectCorrupt, StoreUnavailable
from apps.vault.metrics import CHECKPOINTS_REFUSED, CHECKPOINTS_SIGNED
from apps.vault.services.keys import active_signer
from apps.vault.types import CheckpointRun, Signer

COPIES_READ = 1000
"""So many of the newest copies of a tenant's checkpoints are compared with the rows."""
log = get_logger(__name__)
tracing = tracer(__name__)


def copy_regions() -> dict[UUID, str]:
    """Return in which region each tenant's copies lie: at home, or where this installation's bucket is."""
    here = conf.get()
    homes = {tenant.id: tenant.home_region if here.embedded else here.region for tenant in everyone()}
    return homes | {PLATFORM_TENANT_ID: here.region}


def write_checkpoints(ctx: Context) -> CheckpointRun:
    """Sign a checkpoint for every ledger that has grown since its last, and copy it to the object store.

    A ledger whose rows do not fit their hashes gets none: it is reported, and the others go on. A copy that could
    not be made is made in a later round. Raises NoSigningKey, SigningFailed.
    """
    signed: list[tuple[UUID, int]] = []
    refused: list[tuple[UUID, str]] = []
    regions = copy_regions()
    with system_scope("vault.keys"), tracing.start_as_current_span("vault.write_checkpoints"):
        signer = active_signer()
        for head in ledger_selectors.heads():
            region = regions.get(head.tenant_id, conf.get().region)
            try:
                row = _next_checkpoint(ctx, signer, head.tenant_id)
                if row is not None:
                    signed.append((row.tenant_id, row.size))
                    CHECKPOINTS_SIGNED.inc()
                _copy_newest(region, head.tenant_id)
            except LedgerBroken as error:
                refused.append((head.tenant_id, error.message))
                CHECKPOINTS_REFUSED.inc()
                log.error("checkpoint refused", ledger=str(head.tenant_id), reason=error.message)
            except (StoreUnavailable, ObjectCorrupt) as error:
                log.error("checkpoint not copied", ledger=str(head.tenant_id), reason=error.message)
    return CheckpointRun(tuple(signed), tuple(refused))


def _next_checkpoint(ctx: Context, signer: Signer, tenant_id: UUID) -> CheckpointRow | None:
    due = ledger.checkpoint_due(tenant_id)
    if due is None:
        return None
    if due.previous is not None:
        _check_previous(due)
    at = ctx.now
    note = ledger.checkpoint_note(tenant_id, size=due.size, root=due.root, head=due.head, at=at, key_id=signer.key_id)
    row = CheckpointRow(
        tenant_id=tenant_id,
        size=due.size,
        root=due.root,
        head=due.head,
        at=at,
        key_id=signer.key_id,
        note=note,
        signature=signers.sign(signer, note.encode()),
        frontier=due.frontier,
    )
    return row if ledger.store_checkpoint(row) else None


def _check_previous(due: CheckpointDue) -> None:
    """Refuse to build on a checkpoint that we did not sign as it stands."""
    previous = due.previous
    if previous is None:
        return
    expected = ledger.checkpoint_note(
        previous.tenant_id,
        size=previous.size,
        root=previous.root,
        head=previous.head,
        at=previous.at,
        key_id=previous.key_id,
    )
    known = {key.key_id: key for key in selectors.public_keys()}
    key = known.get(previous.key_id)
    if key is None or expected != previous.note:
        raise LedgerBroken(f"checkpoint {previous.size}: columns differ from the signed note")
    if not keys.signed(keys.load_public(key.public_key_pem), previous.note.encode(), previous.signature):
        raise LedgerBroken(f"checkpoint {previous.size}: signature does not match")


def _copy_newest(region: str, tenant_id: UUID) -> None:
    newest = ledger_selectors.newest_checkpoint(tenant_id)
    if newest is not None:
        store.default().copy_checkpoint(region, tenant_id, newest.size, newest.note.encode(), newest.signature)


def verify_ledgers(
    *, tenant_ids: Sequence[UUID] | None = None, trusted_keys: Sequence[dict[str, Any]] | None = None
) -> tuple[list[Verification], list[Finding]]:
    """Verify ledgers (of all tenants unless named) against rows, keys and the copies in the object store.

    `trusted_keys` are public key documents from outside; otherwise the published ones serve. Returns a result per
    ledger and what is wrong across them. Raises StoreUnavailable when the copies cannot be read.
    """
    documents = trusted_keys if trusted_keys is not None else selectors.key_documents()
    regions = copy_regions()
    with system_scope("ledger.verify"):
        wanted = ledger_selectors.tenants_with_records() if tenant_ids is None else list(tenant_ids)
        # Copies outlive rows: a ledger that was emptied altogether is still asked for.
        if tenant_ids is None:
            wanted += [tenant_id for tenant_id in regions if tenant_id not in wanted]
        results = []
        for tenant_id in wanted:
            region = regions.get(tenant_id, conf.get().region)
            copies = store.default().checkpoint_copies(region, tenant_id, newest=COPIES_READ)
            results.append(ledger.verify(tenant_id, keys=documents, trusted=trusted_keys is not None, copies=copies))
        order = ledger.verify_order() if tenant_ids is None else []
    return results, order


def export_ledger(ctx: Context, *, tenant_id: UUID, after: int = 0, packed: bool = False) -> Iterator[bytes]:
    """Yield a ledger's export with the public keys that it needs; `packed` as gzip. Raises NotProvable."""
    lines = ledger.export(tenant_id, keys=selectors.key_documents(), at=ctx.now, after=after)
    return _pack(lines) if packed else lines


def _pack(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Return the gzip form, in members of about 1 MiB of input, so that it streams (RFC 1952 allows several)."""
    waiting = bytearray()
    for line in lines:
        waiting += line
        if len(waiting) >= store.CHUNK_BYTES:
            yield gzip.compress(bytes(waiting), compresslevel=6, mtime=0)
            waiting.clear()
    if waiting:
        yield gzip.compress(bytes(waiting), compresslevel=6, mtime=0)
