"""Canonical JSON of what the ledger hashes (RFC 8785, JSON Canonicalization Scheme).

The domain is narrow on purpose: strings, whole numbers below 2^53, booleans, nulls, lists, and objects with ASCII
keys. Within it `orjson` with sorted keys writes exactly the bytes of RFC 8785, and no reader can take a number or a
key in another way than its writer.
"""

import hashlib
from typing import Any

import orjson

from apps.ledger.errors import LedgerEncodingError

INT_LIMIT = 2**53
"""Whole numbers are kept strictly below this magnitude: RFC 8785 writes numbers as IEEE 754 doubles."""
MAX_DEPTH = 64
MAX_BYTES = 4 * 1024 * 1024
"""Largest encoding; readers of exports count on it (a line there is hardly twice as long)."""

_LEAVES = frozenset({str, bool, type(None)})


def _fault(value: Any, depth: int) -> list[str] | None:
    """Return None for a value of the domain, else the problem followed by the path to it, innermost part first."""
    kind = type(value)
    if kind in _LEAVES:
        return None
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            return [f"nested more than {MAX_DEPTH} deep"]
        for key, inner in value.items():
            if not isinstance(key, str) or not key.isascii():
                return [f"key {key!r} is not ASCII text"]
            fault = _fault(inner, depth + 1)
            if fault is not None:
                return [*fault, f".{key}"]
        return None
    if isinstance(value, list | tuple):
        if depth > MAX_DEPTH:
            return [f"nested more than {MAX_DEPTH} deep"]
        for index, inner in enumerate(value):
            fault = _fault(inner, depth + 1)
            if fault is not None:
                return [*fault, f"[{index}]"]
        return None
    if isinstance(value, int):
        return None if -INT_LIMIT < value < INT_LIMIT else ["whole number beyond 2^53; write it as text"]
    if isinstance(value, str):
        return None
    if isinstance(value, float):
        return ["floating-point number; write it as text or as a whole number of a smaller unit"]
    return [f"{kind.__name__} cannot be recorded"]


def _surrogate(value: Any) -> list[str]:
    """Return the path to the text that is not Unicode, for the message of a refused encoding."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for part, child in inner:
        if isinstance(child, str):
            try:
                child.encode("utf-8")
            except UnicodeEncodeError:
                return [f".{part}" if isinstance(part, str) else f"[{part}]"]
        elif path := _surrogate(child):
            return [*path, f".{part}" if isinstance(part, str) else f"[{part}]"]
    return []


def encode(value: Any) -> bytes:
    """Return the canonical JSON of `value` as UTF-8.

    Raises LedgerEncodingError, naming the path, for floats, whole numbers of 2^53 and beyond, keys that are not
    ASCII, text with half of a surrogate pair, other types, deep nesting, and encodings above `MAX_BYTES`.
    """
    fault = _fault(value, 0)
    if fault is not None:
        problem, *path = fault
        raise LedgerEncodingError(f"${''.join(reversed(path))}: {problem}")
    try:
        encoded = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise LedgerEncodingError(f"${''.join(reversed(_surrogate(value)))}: {error}") from None
    if len(encoded) > MAX_BYTES:
        raise LedgerEncodingError(f"$: {len(encoded)} bytes, at most {MAX_BYTES} can be recorded")
    return encoded


def commitment(salt: bytes, encoded: bytes) -> bytes:
    """Return SHA-256(salt || encoded): stands in a record for a value that can be erased, together with its salt."""
    return hashlib.sha256(salt + encoded).digest()
