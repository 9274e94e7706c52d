"""ECDSA P-256 keys and their public forms. No Django.

A key's id is the first 16 hexadecimal digits of SHA-256 over its public key's DER form (SubjectPublicKeyInfo,
RFC 5280): anyone can work it out with `openssl pkey -pubin -outform DER | sha256sum`.
"""

import base64
import hashlib
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

_DIGEST = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


class NotAKey(ValueError):
    """The text is no ECDSA P-256 key, or its password is wrong."""


def generate() -> ec.EllipticCurvePrivateKey:
    """Return a new private key."""
    return ec.generate_private_key(ec.SECP256R1())


def _der(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(public: ec.EllipticCurvePublicKey) -> str:
    """Return the id of a key."""
    return hashlib.sha256(_der(public)).hexdigest()[:16]


def public_pem(public: ec.EllipticCurvePublicKey) -> str:
    """Return the PEM form of a public key."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def load_public(pem: str) -> ec.EllipticCurvePublicKey:
    """Return the public key of a PEM text. Raises NotAKey."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise NotAKey("not a public key in PEM form") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise NotAKey("not an ECDSA P-256 key")
    return key


def load_private(pem: bytes, passwords: tuple[str, ...] = ()) -> ec.EllipticCurvePrivateKey:
    """Return the private key of a PEM text, plain or encrypted with one of `passwords`. Raises NotAKey."""
    for password in (None, *(word.encode() for word in passwords)):
        try:
            key = serialization.load_pem_private_key(pem, password)
        except (TypeError, ValueError, UnsupportedAlgorithm):
            continue  # the next password may fit; a wrong one and a broken file look alike
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise NotAKey("not an ECDSA P-256 key")
        return key
    raise NotAKey("not a private key in PEM form, or encrypted with another password")


def to_der(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the PKCS #8 DER form of a private key, unencrypted: for sealing only."""
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def from_der(der: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key that `to_der` wrote. Raises NotAKey."""
    try:
        key = serialization.load_der_private_key(der, None)
    except (ValueError, UnsupportedAlgorithm):
        raise NotAKey("not a private key in DER form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotAKey("not an ECDSA P-256 key")
    return key


def sign_digest(private: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
    """Return the DER signature over a SHA-256 digest."""
    return private.sign(digest, _DIGEST)


def verifies(public: ec.EllipticCurvePublicKey, digest: bytes, signature: bytes) -> bool:
    """Whether the DER signature over a SHA-256 digest holds."""
    try:
        public.verify(signature, digest, _DIGEST)
    except InvalidSignature:
        return False
    return True


def signed(public: ec.EllipticCurvePublicKey, data: bytes, signature: bytes) -> bool:
    """Whether the DER signature over `data` holds."""
    return verifies(public, hashlib.sha256(data).digest(), signature)


def jwk(public: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """Return the JSON Web Key (RFC 7517, RFC 7518 section 6.2.1) of a public key."""
    numbers = public.public_numbers()

    def coordinate(value: int) -> str:
        return base64.urlsafe_b64encode(value.to_bytes(32, "big")).rstrip(b"=").decode()

    return {
        "kty": "EC",
        "crv": "P-256",
        "x": coordinate(numbers.x),
        "y": coordinate(numbers.y),
        "kid": key_id(public),
        "use": "sig",
        "alg": "ES256",
    }
