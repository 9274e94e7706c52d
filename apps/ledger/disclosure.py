"""What leaves the ledger for outsiders: exports, and proofs that single records stand in a signed checkpoint."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from apps.ledger import exports, merkle, proofs, selectors
from apps.ledger.bodies import item_body
from apps.ledger.errors import NotProvable
from apps.ledger.exports import ExportedRecord, Start
from apps.ledger.merkle import Frontier
from apps.ledger.proofs import ItemProof, SignedNote, Subtrees
from apps.ledger.types import CheckpointRow

PAGE = 1000
Keys = Sequence[dict[str, Any]]


def _note(row: CheckpointRow) -> SignedNote:
    return SignedNote(row.size, row.note, row.signature)


@lru_cache(maxsize=128)
def _known(tenant_id: UUID) -> dict[tuple[int, int], bytes]:
    """Roots of complete subtrees of a tenant; they never change, so every proof after the first is cheap."""
    return {}


def _subtrees(tenant_id: UUID) -> Subtrees:
    return Subtrees(lambda first, last: selectors.leaf_hashes(tenant_id, first, last), known=_known(tenant_id))


def _item_bodies(tenant_id: UUID, record_id: int, count: int) -> list[bytes]:
    bodies: list[bytes] = []
    while len(bodies) < count:
        page = selectors.items_of(tenant_id, record_id, after=len(bodies) - 1)
        if not page:
            break
        bodies += [item_body(item) for _, item in page]
    return bodies


def _start(tenant_id: UUID, after: int) -> Start:
    """Return the chain and the tree as they stood after record `after`."""
    if not after:
        return Start()
    before = selectors.record(tenant_id, after)
    if before is None:
        raise NotProvable(f"there is no record {after}", field="after")
    nearest = selectors.newest_checkpoint(tenant_id, up_to=after)
    frontier = Frontier.from_bytes(nearest.frontier) if nearest else Frontier()
    for first in range(frontier.size + 1, after + 1, proofs.TILE):
        frontier.extend(selectors.leaf_hashes(tenant_id, first, min(first + proofs.TILE - 1, after)))
    return Start(before.hash, frontier)


def export(
    tenant_id: UUID, *, keys: Keys, at: datetime, after: int = 0, up_to: int | None = None, with_items: bool = True
) -> Iterator[bytes]:
    """Yield the export of the records numbered above `after` (and at most `up_to`), line by line.

    `keys` are the public key documents that its checkpoints need. Sealed values are never part of it. Raises
    NotProvable, before the first line, when there is no record `after`.
    """
    start = _start(tenant_id, after)
    rows = selectors.checkpoints(tenant_id)
    head = selectors.head(tenant_id)
    end = min(head.number if head else 0, up_to if up_to is not None else 2**62)
    notes = [_note(row) for row in rows if after < row.size <= end]
    return exports.lines(
        tenant_id,
        _exported(tenant_id, after, end, with_items),
        checkpoints=notes,
        keys=keys,
        at=at,
        start=start,
        with_items=with_items,
    )


def _exported(tenant_id: UUID, after: int, end: int, with_items: bool) -> Iterator[ExportedRecord]:
    while after < end and (page := selectors.records(tenant_id, after=after, up_to=end, limit=PAGE)):
        for record in page:
            items: list[bytes] = []
            if with_items and record.item_count:
                items = _item_bodies(tenant_id, record.record_id, record.item_count)
            yield ExportedRecord(record.number, record.body, record.prev, record.hash, items)
        after = page[-1].number


def prove(
    tenant_id: UUID, number: int, *, keys: Keys, position: int | None = None, size: int | None = None
) -> dict[str, Any]:
    """Return the proof that record `number` (and its item at `position`) stands in a signed checkpoint.

    The checkpoint is the one over `size` records, or the first that covers the record. Raises NotProvable when the
    record, the item or the checkpoint does not exist (yet).
    """
    record = selectors.record(tenant_id, number)
    if record is None:
        raise NotProvable(f"there is no record {number}", field="number")
    checkpoint = selectors.checkpoint_over(tenant_id, size if size is not None else number, exact=size is not None)
    if checkpoint is None:
        if size is not None:
            raise NotProvable(f"no such checkpoint: {size}", field="size")
        raise NotProvable(
            f"no checkpoint over record {number} is signed yet",
            field="number",
            mend="Checkpoints are signed every minute; try again then.",
        )
    if checkpoint.size < number:
        raise NotProvable(f"the checkpoint of {size} records is older than record {number}", field="size")
    item = None
    if position is not None:
        if not 0 <= position < record.item_count:
            raise NotProvable(f"record {number} has {record.item_count} items", field="position")
        bodies = _item_bodies(tenant_id, record.record_id, record.item_count)
        leaves = [merkle.leaf_hash(body) for body in bodies]
        item = ItemProof(position, bodies[position], proofs.item_path(leaves, position))
    path = proofs.inclusion_path(_subtrees(tenant_id), number - 1, checkpoint.size)
    return proofs.inclusion_document(number, record.body, path, _note(checkpoint), keys, item=item)


def prove_extension(tenant_id: UUID, old_size: int, new_size: int, *, keys: Keys) -> dict[str, Any]:
    """Return the proof that the checkpoint over `new_size` records extends the one over `old_size`. Raises NotProvable."""
    rows = [selectors.checkpoint_over(tenant_id, size, exact=True) for size in (old_size, new_size)]
    old, new = rows
    if old is None or new is None:
        missing = old_size if old is None else new_size
        raise NotProvable(f"no such checkpoint: {missing}", field="old" if old is None else "new")
    if old.size > new.size:
        raise NotProvable("the newer checkpoint comes second", field="new")
    path = proofs.consistency_path(_subtrees(tenant_id), old.size, new.size)
    return proofs.consistency_document(_note(old), _note(new), path, keys)
