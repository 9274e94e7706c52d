"""Verify and prove from exported files, with no database.

Verification is the stand-alone `verifier` module, unchanged; this module adds what needs a verified export: making
proofs out of it.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from apps.ledger import merkle, proofs, verifier
from apps.ledger.merkle import Frontier
from apps.ledger.proofs import ItemProof, SignedNote, Subtrees


class CannotProve(Exception):
    """The export does not hold what the proof needs; the message says what is missing."""


@dataclass
class Exported:
    """What proofs need of an export: leaf hashes, checkpoints by size, keys, and the one record asked for."""

    first: Frontier = field(default_factory=Frontier)
    leaves: list[bytes] = field(default_factory=list)
    checkpoints: dict[int, SignedNote] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    body: bytes | None = None
    items: list[bytes] = field(default_factory=list)

    def subtrees(self) -> Subtrees:
        """Return the tree of the exported records."""
        before = self.first.size

        def read(first: int, last: int) -> Sequence[bytes]:
            return self.leaves[first - 1 - before : last - before]

        return Subtrees.from_frontier(read, self.first)

    def note(self, size: int | None, at_least: int) -> SignedNote:
        """Return the checkpoint of that size, or the smallest that covers `at_least` records."""
        fitting = [s for s in self.checkpoints if s == size or (size is None and s >= at_least)]
        if not fitting:
            wanted = f"of {size} records" if size is not None else f"over record {at_least}"
            raise CannotProve(f"the export holds no checkpoint {wanted}")
        return self.checkpoints[min(fitting)]

    def newest(self) -> SignedNote:
        """Return the checkpoint over the most records. Raises CannotProve when there is none."""
        if not self.checkpoints:
            raise CannotProve("the export holds no checkpoint")
        return self.checkpoints[max(self.checkpoints)]

    def key_of(self, note: SignedNote) -> str:
        """Return the public key, PEM, that the export names for a checkpoint. Raises CannotProve when it names none."""
        key_id = note.note.splitlines()[6]
        for document in self.keys:
            if document.get("key_id") == key_id:
                return str(document["public_key_pem"])
        raise CannotProve(f"the export does not carry the key {key_id}")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        with closing(cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw) as stream:
            for line in stream:
                if line.strip():
                    yield json.loads(line)


def read_export(path: Path, keys: verifier.KeyRing, number: int = 0) -> Exported:
    """Verify the export, then read what proofs need, with the body and items of record `number`.

    Raises verifier.BadInput for a file that is no export, CannotProve for one that does not verify.
    """
    report = verifier.check_file(path, keys)
    if report.subject != "ledger":
        raise CannotProve("proofs are made from a ledger export")
    if not report.ok:
        first = next(finding for finding in report.findings if finding.severity == "error")
        raise CannotProve(f"the export does not verify: {first.message}")
    exported = Exported()
    for row in _rows(path):
        if "format" in row:
            start = row.get("start") or {"size": 0, "frontier": []}
            exported.first = Frontier(start["size"], map(bytes.fromhex, start["frontier"]))
            exported.keys = row.get("keys") or []
        for value in [row["checkpoint"]] if "checkpoint" in row else row.get("checkpoints", ()):
            read = verifier.Checkpoint.from_json(value, str(path))
            exported.checkpoints[read.size] = SignedNote(read.size, read.note.decode(), read.signature)
        if "item" in row:
            if row["n"] == number:
                exported.items.append(row["body"].encode())
        elif "body" in row:
            body = row["body"].encode()
            exported.leaves.append(merkle.leaf_hash(body))
            if row["n"] == number:
                exported.body = body
    return exported


def prove_record(
    path: Path, keys: verifier.KeyRing, number: int, *, position: int | None = None, size: int | None = None
) -> dict[str, Any]:
    """Return the proof that record `number` (and its item at `position`) stands in a checkpoint of the export.

    The checkpoint is the one over `size` records, or the smallest that covers the record. Raises CannotProve.
    """
    exported = read_export(path, keys, number)
    if exported.body is None:
        raise CannotProve(f"the export holds no record {number}")
    note = exported.note(size, number)
    if note.size < number:
        raise CannotProve(f"the checkpoint of {note.size} records is older than record {number}")
    path_up = proofs.inclusion_path(exported.subtrees(), number - 1, note.size)
    item = None
    if position is not None:
        if not 0 <= position < len(exported.items):
            raise CannotProve(f"record {number} has {len(exported.items)} items in this export, no item {position}")
        leaves = [merkle.leaf_hash(body) for body in exported.items]
        item = ItemProof(position, exported.items[position], proofs.item_path(leaves, position))
    return proofs.inclusion_document(number, exported.body, path_up, note, exported.keys, item=item)


def prove_extension(path: Path, keys: verifier.KeyRing, old_size: int, new_size: int) -> dict[str, Any]:
    """Return the proof that checkpoint `new_size` only appends to checkpoint `old_size`. Raises CannotProve."""
    exported = read_export(path, keys)
    old, new = exported.note(old_size, 0), exported.note(new_size, 0)
    try:
        steps = proofs.consistency_path(exported.subtrees(), old.size, new.size)
    except LookupError as error:
        raise CannotProve(str(error)) from None
    return proofs.consistency_document(old, new, steps, exported.keys)
