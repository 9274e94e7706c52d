"""Cursors of keyset pages: opaque to clients, checked on return. No Django."""

import base64
import binascii
from typing import Any
from uuid import UUID

import orjson

from apps.core.errors import InvalidInput


def encode(order: str, value: Any, row_id: UUID) -> str:
    """Return the cursor of a row: its order, its value in that order (text, number or None) and its id."""
    return base64.urlsafe_b64encode(orjson.dumps([order, value, row_id])).decode().rstrip("=")


def decode(cursor: str, order: str) -> tuple[Any, UUID]:
    """Return (value, id) of a cursor made for `order`. Raises InvalidInput for anything else."""
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        found, value, row_id = raw
        if found != order or not isinstance(value, (str, int, float, type(None))) or isinstance(value, bool):
            raise ValueError("made for another order")
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("NUL")
        return value, UUID(row_id)
    except (ValueError, TypeError, AttributeError, binascii.Error, UnicodeError):
        raise InvalidInput(
            "this cursor was not made for this list",
            field="after",
            mend="Use a cursor from the same list with the same order and filters.",
        ) from None
