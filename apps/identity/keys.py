"""The form of API keys: `igk_<prefix>_<secret>`, prefix to find it, 256 random bits to prove it. No Django."""

import hashlib
import hmac
import re
import secrets

_FORM = re.compile(r"^igk_([0-9a-z]{10})_([A-Za-z0-9_-]{43})$")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def generate() -> tuple[str, str, bytes]:
    """Return (token, prefix, digest) of a new key."""
    prefix = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    secret = secrets.token_urlsafe(32)
    return f"igk_{prefix}_{secret}", prefix, digest(secret)


def split(token: str) -> tuple[str, str] | None:
    """Return (prefix, secret), or None when the token is not of our form."""
    match = _FORM.match(token)
    return (match[1], match[2]) if match else None


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def holds(secret: str, expected: bytes) -> bool:
    """Whether the secret has that digest, in constant time."""
    return hmac.compare_digest(digest(secret), expected)
