"""Words of the ledger."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

WARM_S = 0.25
"""How long the sequencer goes on looking every few milliseconds after it found work: so long it needs no waking."""


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
    """What a writer appends: a typed event without personal data. `data` holds strings, integers, booleans, lists, maps.

    `trace` is the writer's `traceparent` where one is recorded. It stands beside the record and is not hashed.
    """

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
    trace: str = ""


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
class CheckpointDue:
    """What a new checkpoint has to say, and the checkpoint that it continues."""

    tenant_id: UUID
    size: int
    root: bytes
    head: bytes
    frontier: bytes
    previous: CheckpointRow | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What verification found and where. A `notice` is worth knowing and no fault."""

    tenant_id: UUID | None
    number: int | None
    position: int | None
    code: str
    message: str
    severity: str = "error"

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON object, without empty places."""
        plain = asdict(self) | {"tenant_id": str(self.tenant_id) if self.tenant_id else None}
        return {name: value for name, value in plain.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Records that are committed and not yet numbered."""

    count: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """A record found by its type; `number` is None and `hash` empty while it waits for the sequencer."""

    record_id: int
    tenant_id: UUID
    type: str
    actor: str
    at: datetime
    body: bytes
    number: int | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class SequencerState:
    """Where the sequencer stands: newest position, its last tick, and the database session that leads (None: nobody)."""

    position: int
    at: datetime | None
    age_s: float | None
    leader_pid: int | None
    leading_since: datetime | None


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of verifying one tenant's ledger; `covered` is the size of the largest checkpoint that holds."""

    tenant_id: UUID
    records: int
    items: int
    checkpoints: int
    covered: int
    size: int
    root: str
    head: str
    findings: tuple[Finding, ...]
    waiting: Waiting

    @property
    def ok(self) -> bool:
        """True when no error was found."""
        return all(finding.severity != "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON object."""
        plain = {name: getattr(self, name) for name in ("ok", "records", "items", "checkpoints", "covered", "size")}
        plain |= {"tenant_id": str(self.tenant_id), "root": self.root, "head": self.head}
        plain |= {"findings": [finding.as_dict() for finding in self.findings]}
        return plain | {"waiting": {"count": self.waiting.count, "oldest_s": round(self.waiting.oldest_s, 3)}}
