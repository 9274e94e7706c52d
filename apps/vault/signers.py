"""Holders of private keys: in memory (from a file or the database), or a program of the operator's. No Django."""

import hashlib
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from apps.vault import keys
from apps.vault.errors import NoSigningKey, SigningFailed
from apps.vault.types import Signer

COMMAND = "command:"
TIMEOUT_S = 10


class LocalSigner:
    """A private key in this process's memory."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        public = private.public_key()
        self.key_id = keys.key_id(public)
        self.public_key_pem = keys.public_pem(public)

    def __repr__(self) -> str:
        return f"LocalSigner({self.key_id})"

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the DER signature over a SHA-256 digest."""
        return keys.sign_digest(self._private, digest)


class CommandSigner:
    """A program in front of a key that cannot be read: an HSM, a smart card, a cloud's key service.

    `PROGRAM public-key` prints the public key in PEM form; `PROGRAM sign-digest` reads 32 bytes (a SHA-256 digest)
    from standard input and writes the DER signature to standard output. Each signature is checked before it is used.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self.public_key_pem = self._run("public-key", b"").decode("ascii", "replace")
        try:
            self._public = keys.load_public(self.public_key_pem)
        except keys.NotAKey as error:
            raise NoSigningKey(f"the external signer's public key: {error}") from None
        self.key_id = keys.key_id(self._public)

    def _run(self, verb: str, data: bytes) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603  the operator's own program, named in the settings
                [self._program, verb], input=data, capture_output=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SigningFailed(f"the external signer did not answer: {type(error).__name__}") from None
        if done.returncode != 0:
            raise SigningFailed(f"the external signer ended with {done.returncode}")
        return done.stdout

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the DER signature over a SHA-256 digest. Raises SigningFailed."""
        signature = self._run("sign-digest", digest)
        if not keys.verifies(self._public, digest, signature):
            raise SigningFailed("the external signer returned a signature that does not verify")
        return signature


def from_setting(setting: str, passwords: tuple[str, ...]) -> Signer:
    """Return the signer that `IG_SIGNING_KEY` names: a PEM file, or `command:PROGRAM`.

    An encrypted file opens with the installation's secret. Raises NoSigningKey, SigningFailed.
    """
    if setting.startswith(COMMAND):
        return CommandSigner(setting.removeprefix(COMMAND))
    try:
        return LocalSigner(keys.load_private(Path(setting).read_bytes(), passwords))
    except OSError as error:
        raise NoSigningKey(f"the signing key's file cannot be read: {error.strerror}") from None
    except keys.NotAKey as error:
        raise NoSigningKey(f"the signing key's file: {error}") from None


def sign(signer: Signer, data: bytes) -> bytes:
    """Return the DER signature over `data` (ECDSA with SHA-256)."""
    return signer.sign_digest(hashlib.sha256(data).digest())
