"""Secrets that travel in a link by mail: `igi_…` invites, `igr_…` resets a password. 256 random bits; a digest is kept.
No Django."""

import hashlib
import re
import secrets

INVITATION, RESET = "igi", "igr"
_FORM = re.compile(r"^(igi|igr)_[A-Za-z0-9_-]{43}$")


def generate(kind: str) -> tuple[str, bytes]:
    """Return (token, digest) of a new secret of that kind."""
    token = f"{kind}_{secrets.token_urlsafe(32)}"
    return token, digest(token)


def holds_form(kind: str, token: str) -> bool:
    """Whether `token` has the form of a secret of that kind."""
    found = _FORM.match(token)
    return found is not None and found[1] == kind


def digest(token: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
