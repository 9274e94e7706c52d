"""Merkle trees of RFC 9162 section 2.1: hashes, roots, and a compact tree that only grows."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash over leaf hashes (32 bytes each), in order.

    Level by level: pairs are joined and an odd last node rises unchanged, which is the tree that RFC 9162 splits at
    the largest power of two.
    """
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        odd = level[-1:] if len(level) & 1 else []
        level = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
        ] + odd
    return level[0]


class Frontier:
    """The complete subtrees of a growing tree, largest first: enough to append leaves and to know the root.

    Appending n leaves costs O(n) hashes whatever the size; memory and stored form are one hash per set bit of the
    size. `roots[i]` covers 2^k leaves, k being the i-th highest set bit of `size`.
    """

    __slots__ = ("roots", "size")

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)
        if size < 0 or len(self.roots) != size.bit_count() or any(len(r) != HASH_BYTES for r in self.roots):
            raise ValueError(f"not the frontier of {size} leaves")

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        size = self.size
        while size & 1:
            leaf = node_hash(self.roots.pop(), leaf)
            size >>= 1
        self.roots.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add the hashes of the next leaves, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the Merkle tree hash over all leaves."""
        if not self.roots:
            return EMPTY_ROOT
        reached = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            reached = node_hash(left, reached)
        return reached

    def to_bytes(self) -> bytes:
        """Return the stored form: size as 8 bytes big-endian, then the subtree roots."""
        return self.size.to_bytes(8, "big") + b"".join(self.roots)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Frontier":
        """Return the frontier that `to_bytes` stored. Raises ValueError for anything else."""
        if len(stored) < 8 or (len(stored) - 8) % HASH_BYTES:
            raise ValueError("not a stored frontier")
        return cls(
            int.from_bytes(stored[:8], "big"),
            [stored[at : at + HASH_BYTES] for at in range(8, len(stored), HASH_BYTES)],
        )
