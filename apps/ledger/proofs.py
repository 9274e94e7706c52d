"""Proofs that outsiders check without the ledger: inclusion (RFC 9162, 2.1.3) and consistency (RFC 9162, 2.1.4).

Trees are read through a `LeafSource`, so the same code proves from the database and from an exported file. Complete
subtrees never change, so their roots may be kept between proofs (`Subtrees.known`).
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.ledger import merkle

LeafSource = Callable[[int, int], Sequence[bytes]]
"""(first number, last number), both included and counted from 1 -> the leaf hashes of those records, in order."""

PROOF_FORMAT = "intelgraph-ledger-proof"
CONSISTENCY_FORMAT = "intelgraph-ledger-consistency"
TILE = 4096
"""Leaves read at once; roots of complete subtrees of at least this size are kept."""


class Subtrees:
    """Roots over ranges of leaves, counted from 0 and half open, read from `leaves` and remembered in `known`.

    `first` leaves need not be readable when `known` holds their frontier (see `from_frontier`).
    """

    def __init__(
        self, leaves: LeafSource, *, known: MutableMapping[tuple[int, int], bytes] | None = None, first: int = 0
    ) -> None:
        self._leaves = leaves
        self.known = known if known is not None else {}
        self._first = first

    @classmethod
    def from_frontier(cls, leaves: LeafSource, frontier: merkle.Frontier) -> "Subtrees":
        """Return the subtrees of a tree of which only the leaves after `frontier` can be read."""
        known: dict[tuple[int, int], bytes] = {}
        low = 0
        for root in frontier.roots:
            width = 1 << ((frontier.size - low).bit_length() - 1)
            known[low, low + width] = root
            low += width
        return cls(leaves, known=known, first=frontier.size)

    def root(self, low: int, high: int) -> bytes:
        """Return the Merkle tree hash over leaves low..high-1. Raises LookupError where leaves are missing."""
        found = self.known.get((low, high))
        if found is not None:
            return found
        width = high - low
        if low >= self._first and width <= TILE:
            leaves = self._leaves(low + 1, high)
            if len(leaves) != width:
                raise LookupError(f"{width} records from {low + 1} on were asked for, {len(leaves)} are there")
            reached = merkle.root(leaves)
        elif width == 1:
            raise LookupError(f"record {high} is not there")
        else:
            middle = low + _split(width)
            reached = merkle.node_hash(self.root(low, middle), self.root(middle, high))
        if width >= TILE and not width & (width - 1):
            self.known[low, high] = reached
        return reached


def _split(width: int) -> int:
    """Return the largest power of two below `width` (at least 2)."""
    return 1 << ((width - 1).bit_length() - 1)


def inclusion_path(subtrees: Subtrees, index: int, size: int) -> list[bytes]:
    """Return the path from leaf `index` (from 0) to the root of `size` leaves, lowest sibling first."""
    if not 0 <= index < size:
        raise LookupError(f"record {index + 1} is not among the first {size}")
    low, high = 0, size
    path = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(subtrees.root(middle, high))
            high = middle
        else:
            path.append(subtrees.root(low, middle))
            low = middle
    return path[::-1]


def consistency_path(subtrees: Subtrees, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the tree of `new_size` leaves begins with that of `old_size` leaves."""
    if not 0 < old_size <= new_size:
        raise LookupError(f"a tree of {new_size} does not extend one of {old_size}")
    low, high = 0, new_size
    path = []
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(subtrees.root(middle, high))
            high = middle
        else:
            path.append(subtrees.root(low, middle))
            low = middle
    if low:
        path.append(subtrees.root(low, high))
    return path[::-1]


def item_path(leaves: Sequence[bytes], position: int) -> list[bytes]:
    """Return the path from the item at `position` (from 0) to the root over a batch's item leaf hashes."""
    return inclusion_path(Subtrees(lambda first, last: leaves[first - 1 : last]), position, len(leaves))


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A checkpoint's text and its DER signature."""

    size: int
    note: str
    signature: bytes

    def as_dict(self) -> dict[str, str]:
        """Return the form used in proofs and exports: the note, and the signature in base64."""
        return {"note": self.note, "signature": b64encode(self.signature).decode()}


@dataclass(frozen=True, slots=True)
class ItemProof:
    """One item of a batch: its position (from 0), its canonical body, and its path to the batch's root."""

    position: int
    body: bytes
    path: Sequence[bytes]


def inclusion_document(
    number: int,
    body: bytes,
    path: Sequence[bytes],
    checkpoint: SignedNote,
    keys: Sequence[dict[str, Any]],
    *,
    item: ItemProof | None = None,
    openings: Iterable[tuple[str, bytes, Any]] = (),
) -> dict[str, Any]:
    """Return the JSON document that proves record `number` (and `item` of it) to stand in the signed checkpoint.

    `keys` are public key documents; `openings` are (name, salt, value) of sealed values to disclose.
    """
    document: dict[str, Any] = {
        "format": PROOF_FORMAT,
        "version": 1,
        "number": number,
        "body": body.decode(),
        "path": [step.hex() for step in path],
        "checkpoint": checkpoint.as_dict(),
        "keys": list(keys),
    }
    if item is not None:
        path_hex = [step.hex() for step in item.path]
        document["item"] = {"position": item.position, "body": item.body.decode(), "path": path_hex}
    disclosed = [{"name": name, "salt": salt.hex(), "value": value} for name, salt, value in openings]
    if disclosed:
        document["openings"] = disclosed
    return document


def consistency_document(
    old: SignedNote, new: SignedNote, path: Sequence[bytes], keys: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the JSON document that proves checkpoint `new` to extend checkpoint `old`."""
    return {
        "format": CONSISTENCY_FORMAT,
        "version": 1,
        "old": old.as_dict(),
        "new": new.as_dict(),
        "path": [step.hex() for step in path],
        "keys": list(keys),
    }
