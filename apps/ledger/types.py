"""Words of the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Item:
    """One changed thing of a record.

    `ref_kind` says what it is (`entity`, `edge`, …), `op` what happened (`created`, `updated`, `deleted`), `version`
    its version afterwards, `kind` its kind. `commitment` is a salted hash of its new content (32 bytes) or empty:
    the content itself stays outside, so that erasing it leaves every proof valid.
    """

    ref_kind: str
    ref_id: UUID
    op: str
    version: int
    kind: str
    commitment: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a writer appends: a typed event without personal data. `data` holds strings, integers, booleans, lists, maps."""

    event_id: UUID
    tenant_id: UUID
    type: str
    type_version: int
    actor: str
    at: datetime
    request_id: str
    data: dict[str, Any]
    items: tuple[Item, ...] = ()
    sealed: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Appended:
    """A record that the present transaction has inserted; its number follows after commit."""

    record_id: int
    event_id: UUID
    tenant_id: UUID


@dataclass(frozen=True, slots=True)
class LinkedRecord:
    """A record with its number, as subscribers, pages and proofs see it."""

    position: int
    tenant_id: UUID
    number: int
    record_id: int
    event_id: UUID
    type: str
    actor: str
    at: datetime
    body: bytes
    leaf: bytes
    prev: bytes
    hash: bytes
    item_count: int
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class TenantHead:
    """Where one tenant's ledger stands."""

    tenant_id: UUID
    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A stored checkpoint (see `apps.ledger.models.Checkpoint`)."""

    tenant_id: UUID
    size: int
    root: bytes
    head: bytes
    at: datetime
    key_id: str
    note: str
    signature: bytes
    frontier: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that verification found: where, and what."""

    tenant_id: UUID
    number: int | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Records that are committed and not yet numbered."""

    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying one tenant's ledger."""

    tenant_id: UUID
    records: int
    checkpoints: int
    head: bytes
    findings: tuple[Finding, ...]
    waiting: Waiting

    @property
    def ok(self) -> bool:
        """True when nothing was found."""
        return not self.findings


VerifySignature = Callable[[str, bytes, bytes], bool]
"""(key id, message, DER signature) -> whether it holds."""
