"""The export format of a tenant's ledger: JSON Lines, made to be streamed, packed and checked offline.

    {"format": "intelgraph-ledger-export", "version": 1, "tenant": …, "keys": […], "checkpoints": [the newest], …}
    {"n": 1, "prev": hex, "hash": hex, "body": canonical JSON as text}
    {"n": 1, "item": 0, "body": canonical JSON as text}          items of a batch, right after their record
    {"n": 1, "open": name, "salt": hex, "value": …}              a sealed value that is disclosed
    {"checkpoint": {"note": text, "signature": base64}}          right after the last record that it covers
    {"end": {"number": n, "hash": hex}}                          so that a file cut short is noticed

An export that does not begin with record 1 has `"start": {"size": n, "hash": hex, "frontier": [hex, …]}` in its
header: the chain hash of record n and the roots of the complete subtrees before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from apps.core.clock import iso
from apps.ledger.chain import GENESIS
from apps.ledger.merkle import Frontier
from apps.ledger.proofs import SignedNote

EXPORT_FORMAT = "intelgraph-ledger-export"
CONTENT_TYPE = "application/jsonl"


@dataclass(frozen=True, slots=True)
class ExportedRecord:
    """One record as it leaves: body, hashes, the bodies of its items, and (name, salt, value) of what is disclosed."""

    number: int
    body: bytes
    prev: bytes
    hash: bytes
    items: Sequence[bytes] = ()
    openings: Sequence[tuple[str, bytes, Any]] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """What stands before the first exported record: its number, the chain hash there, and the tree so far."""

    hash: bytes = GENESIS
    frontier: Frontier = field(default_factory=Frontier)


def _line(row: dict[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def lines(
    tenant_id: UUID,
    records: Iterable[ExportedRecord],
    *,
    checkpoints: Sequence[SignedNote],
    keys: Sequence[dict[str, Any]],
    at: datetime,
    start: Start | None = None,
    with_items: bool = True,
) -> Iterator[bytes]:
    """Yield the export line by line.

    `checkpoints` are those up to the last record, smallest first; `keys` are the public key documents that their
    signatures need; `at` is when the export was made. Without items (`with_items` False) their roots still stand in
    the bodies.
    """
    start = start or Start()
    header: dict[str, Any] = {
        "format": EXPORT_FORMAT,
        "version": 1,
        "tenant": str(tenant_id),
        "exported_at": iso(at),
        "items": with_items,
        "keys": list(keys),
        "checkpoints": [checkpoint.as_dict() for checkpoint in checkpoints[-1:]],
    }
    if start.frontier.size:
        roots = [root.hex() for root in start.frontier.roots]
        header["start"] = {"size": start.frontier.size, "hash": start.hash.hex(), "frontier": roots}
    yield _line(header)
    due = {checkpoint.size: checkpoint for checkpoint in checkpoints[:-1]}
    number, last_hash = start.frontier.size, start.hash
    for record in records:
        number, last_hash = record.number, record.hash
        yield _line(
            {"n": number, "prev": record.prev.hex(), "hash": last_hash.hex(), "body": record.body.decode("utf-8")}
        )
        if with_items:
            for position, body in enumerate(record.items):
                yield _line({"n": number, "item": position, "body": body.decode("utf-8")})
        for name, salt, value in record.openings:
            yield _line({"n": number, "open": name, "salt": salt.hex(), "value": value})
        if number in due:
            yield _line({"checkpoint": due[number].as_dict()})
    yield _line({"end": {"number": number, "hash": last_hash.hex()}})
