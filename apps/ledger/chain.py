"""The hash chain of a tenant's records, and the text of a checkpoint over it (format version 1).

    hash_n = SHA-256("intelgraph-ledger-v1\\n" || tenant id, 16 bytes || n, 8 bytes big-endian || hash_{n-1} || leaf_n)

Numbers begin at 1, `hash_0` is 32 zero bytes, and `leaf_n` is the RFC 9162 leaf hash of the record's body.
"""

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from apps.core.clock import iso

TAG = b"intelgraph-ledger-v1\n"
CHECKPOINT_TAG = "intelgraph-ledger-checkpoint-v1"
GENESIS = bytes(32)
"""The hash before the first record."""


def link_hash(tenant_id: UUID, number: int, prev: bytes, leaf: bytes) -> bytes:
    """Return the chain hash of record `number` (from 1), given the hash before it and its leaf hash."""
    return sha256(TAG + tenant_id.bytes + number.to_bytes(8, "big") + prev + leaf).digest()


def link_hashes(tenant_id: UUID, after: int, prev: bytes, leaves: Iterable[bytes]) -> list[bytes]:
    """Return the chain hashes of the records that follow record `after`, whose hash is `prev`, in order."""
    head = TAG + tenant_id.bytes
    hashes = []
    for number, leaf in enumerate(leaves, after + 1):
        prev = sha256(head + number.to_bytes(8, "big") + prev + leaf).digest()
        hashes.append(prev)
    return hashes


def checkpoint_note(tenant_id: UUID, *, size: int, root: bytes, head: bytes, at: datetime, key_id: str) -> str:
    """Return the text that is signed: seven lines, each ended by a line feed.

    `size` records have the Merkle root `root` and end in the chain hash `head`; `at` is when it was signed and
    `key_id` by which key.
    """
    lines = (CHECKPOINT_TAG, str(tenant_id), str(size), root.hex(), head.hex(), iso(at), key_id)
    return "".join(f"{line}\n" for line in lines)
