"""Identifiers: UUID version 7 (RFC 9562 section 5.7), ordered by time of creation within one process."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last_ms = 0
_sequence = 0


def new_id() -> UUID:
    """Return a new UUIDv7.

    The 12 bits after the millisecond are a counter (method 1 of RFC 9562 section 6.2), so ids made in one
    process sort in the order in which they were made, also when the clock is set back.
    """
    global _last_ms, _sequence
    with _lock:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _sequence = now_ms, int.from_bytes(os.urandom(1), "big")
        else:
            _sequence += 1
            if _sequence > 0xFFF:
                _last_ms, _sequence = _last_ms + 1, 0
        ms, sequence = _last_ms, _sequence
    tail = int.from_bytes(os.urandom(8), "big") & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(ms << 80) | (0x7 << 76) | (sequence << 64) | (0b10 << 62) | tail)


def parse_id(text: str) -> UUID | None:
    """Return the UUID that `text` spells in its canonical 36-character form, or None."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
