"""Words of the vault."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from apps.core.clock import iso

RETENTION_TIERS = ("short-30d", "standard-365d", "long-1825d", "legal-hold")


class KeyStatus(StrEnum):
    """Where a signing key is in its life."""

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class KeyOrigin(StrEnum):
    """Where the private half is kept."""

    STORED = "stored"
    FILE = "file"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A signing key as everyone may see it. Its validity has no end while it is active."""

    key_id: str
    status: str
    origin: str
    public_key_pem: str
    not_before: datetime
    not_after: datetime | None

    def as_document(self) -> dict[str, Any]:
        """Return the entry of `/.well-known/intelgraph/keys.json`, which exports and proofs carry too."""
        return {
            "key_id": self.key_id,
            "algorithm": "ecdsa-p256-sha256",
            "status": self.status,
            "public_key_pem": self.public_key_pem,
            "not_before": iso(self.not_before),
            "not_after": iso(self.not_after) if self.not_after else None,
        }


class Signer(Protocol):
    """Whatever holds a private ECDSA P-256 key: a file, the database, a program in front of an HSM or a KMS."""

    @property
    def key_id(self) -> str:
        """First 16 hexadecimal digits of SHA-256 over the public key's DER form (SubjectPublicKeyInfo)."""

    @property
    def public_key_pem(self) -> str:
        """The public key in PEM form."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the DER signature over a SHA-256 digest (32 bytes). Raises SigningFailed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name and the SHA-256 (hexadecimal) of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One reference to bytes in the object store. Equal bytes of one tenant and region share one `key`."""

    id: UUID
    key: str
    sha256: str
    size_bytes: int
    content_type: str
    region: str
    retention_tier: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CheckpointRun:
    """What one round of checkpoints did: (tenant, size) signed, and (tenant, why) refused."""

    signed: Sequence[tuple[UUID, int]]
    refused: Sequence[tuple[UUID, str]]
