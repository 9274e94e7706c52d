"""Events of the vault."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class SigningKeyCreated(Event):
    """The first signing key was made or taken from its file."""

    name: ClassVar[str] = "vault.key.created"
    key_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class SigningKeyRotated(Event):
    """Another key signs from now on; signatures by the one before are accepted until `overlap_until`."""

    name: ClassVar[str] = "vault.key.rotated"
    before: str
    after: str
    origin: str
    overlap_until: str


@dataclass(frozen=True, slots=True)
class SigningKeyRetired(Event):
    """The private half of a key was destroyed; its public half stays published."""

    name: ClassVar[str] = "vault.key.retired"
    key_id: str


@dataclass(frozen=True, slots=True)
class SignatureMade(Event):
    """Something was signed for someone. `subject` is the SHA-256 of what was signed."""

    name: ClassVar[str] = "vault.signature.made"
    key_id: str
    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class ObjectStored(Event):
    """Bytes were put into the object store."""

    name: ClassVar[str] = "vault.object.stored"
    object_id: UUID
    sha256: str
    size_bytes: int
    region: str
    retention_tier: str


@dataclass(frozen=True, slots=True)
class ObjectDeleted(Event):
    """A reference to bytes in the object store was removed, and the bytes with the last one."""

    name: ClassVar[str] = "vault.object.deleted"
    object_id: UUID
    sha256: str
