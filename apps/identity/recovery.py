"""The form of recovery codes: 80 random bits in base32, in groups of four. No Django."""

import base64
import hashlib
import secrets
from uuid import UUID

HOW_MANY = 10
_BYTES = 10
_TYPED_FOR = str.maketrans("018", "OLB")


def generate() -> str:
    """Return a new code, such as `K7QX-2MHD-PRWA-5TNE`."""
    text = base64.b32encode(secrets.token_bytes(_BYTES)).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def plain(code: str) -> str:
    """Return what a code says: without groups, case, and the digits that base32 lacks and people type."""
    return "".join(c for c in code.upper() if c.isalnum()).translate(_TYPED_FOR)


def digest(user_id: UUID, code: str) -> bytes:
    """Return what is kept of an account's code."""
    return hashlib.sha256(user_id.bytes + plain(code).encode("utf-8", "surrogatepass")).digest()
