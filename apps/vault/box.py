"""A box for secrets at rest: AES-256-GCM under a key stretched from the installation's secret. No Django.

A sealed text is `ig1.<id of the secret>.<nonce and ciphertext, base64url>`. It opens only for the same purpose and
place that it was sealed for (associated data), so a row copied elsewhere stays shut. Several secrets may be given:
the first seals, all of them open, and `stale` tells what to seal anew, so a secret can be changed without a pause.
"""

import base64
import binascii
import hashlib
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORM = "ig1"
NONCE_BYTES = 12
# Stretching costs about 0.1 s and 32 MiB, once per process and secret (OWASP's figures for scrypt).
_SCRYPT = {"n": 2**15, "r": 8, "p": 3, "dklen": 32, "maxmem": 128 * 2**20}
_SALT = b"intelgraph-vault-box-1"


class CannotOpen(ValueError):
    """The text is not sealed by this box for this purpose and place."""


@cache
def _master(secret: str) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=_SALT, **_SCRYPT)


@cache
def _key(secret: str, purpose: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"intelgraph {purpose}".encode()).derive(_master(secret))


def secret_id(secret: str) -> str:
    """Return the public id of a secret: 8 hexadecimal digits of a key derived for this alone."""
    return _key(secret, "id")[:4].hex()


class Box:
    """Seals and opens short secrets. `secrets` are the installation's, newest first; at least one."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        if not secrets:
            raise ValueError("a box needs a secret")
        self._secrets = secrets

    def __repr__(self) -> str:
        return "Box(...)"

    def seal(self, plain: bytes, *, purpose: str, place: str) -> str:
        """Return the sealed text. `purpose` separates kinds of secrets, `place` names the row that holds this one."""
        secret = self._secrets[0]
        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(_key(secret, purpose)).encrypt(nonce, plain, place.encode())
        return f"{FORM}.{secret_id(secret)}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, purpose: str, place: str) -> bytes:
        """Return what was sealed. Raises CannotOpen."""
        form, _, rest = sealed.partition(".")
        wanted, _, text = rest.partition(".")
        if form != FORM:
            raise CannotOpen("not a sealed text")
        secret = next((secret for secret in self._secrets if secret_id(secret) == wanted), None)
        if secret is None:
            raise CannotOpen("sealed with a secret that is not configured any more")
        try:
            data = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
            return AESGCM(_key(secret, purpose)).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place.encode())
        except (binascii.Error, ValueError, InvalidTag):
            raise CannotOpen("altered, or sealed for another place") from None

    def stale(self, sealed: str) -> bool:
        """Whether the text was sealed with an older secret and should be sealed anew."""
        return sealed.split(".")[1:2] != [secret_id(self._secrets[0])]
