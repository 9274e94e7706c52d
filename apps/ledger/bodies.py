"""What the ledger hashes: the bodies of records and of the items of a batch, as canonical JSON."""

import re
import secrets
from typing import Any

from apps.core.clock import iso
from apps.ledger import canonical, merkle
from apps.ledger.types import Entry, Item

SALT_BYTES = 16
"""A commitment must not be guessed from the few values that a field can have."""


_PLAIN = re.compile(r"[A-Za-z0-9_.:-]*\Z").match


def item_body(item: Item) -> bytes:
    """Return the canonical JSON of an item: the bytes that its leaf hash covers."""
    if (
        _PLAIN(f"{item.kind}{item.op}{item.ref_kind}")
        and type(item.version) is int
        and item.version < canonical.INT_LIMIT
    ):
        # What encoding would write, without looking at each value: a batch has thousands of items.
        return (
            f'{{"commitment":"{item.commitment.hex()}","id":"{item.ref_id}","kind":"{item.kind}","op":"{item.op}",'
            f'"ref":"{item.ref_kind}","version":{item.version}}}'
        ).encode()
    return canonical.encode(
        {
            "commitment": item.commitment.hex(),
            "id": str(item.ref_id),
            "kind": item.kind,
            "op": item.op,
            "ref": item.ref_kind,
            "version": item.version,
        }
    )


def seal(values: dict[str, Any]) -> dict[str, tuple[bytes, bytes]]:
    """Return (salt, canonical value) by name for values that stay outside the body."""
    return {name: (secrets.token_bytes(SALT_BYTES), canonical.encode(value)) for name, value in values.items()}


def record_body(entry: Entry, salted: dict[str, tuple[bytes, bytes]]) -> bytes:
    """Return the body of a record; `salted` is what `seal` made of its sealed values."""
    body: dict[str, Any] = {
        "v": 1,
        "id": str(entry.event_id),
        "tenant": str(entry.tenant_id),
        "type": entry.type,
        "tv": entry.type_version,
        "actor": entry.actor,
        "at": iso(entry.at),
        "request": entry.request_id,
        "data": entry.data,
    }
    if entry.items:
        root = merkle.root([merkle.leaf_hash(item_body(item)) for item in entry.items])
        body["items"] = {"count": len(entry.items), "root": root.hex()}
    if salted:
        body["sealed"] = {name: canonical.commitment(salt, value).hex() for name, (salt, value) in salted.items()}
    return canonical.encode(body)
