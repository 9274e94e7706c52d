"""Ledgers made for tests: keys, records, checkpoints and exports of the real format."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.core.clock import iso
from apps.ledger import canonical, chain, exports, merkle
from apps.ledger.exports import ExportedRecord
from apps.ledger.proofs import SignedNote

TENANT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
OTHER_TENANT = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
AT = datetime(2026, 11, 21, tzinfo=UTC)
SALT = bytes(range(16))


@dataclass
class Signer:
    """A P-256 key with the document that publishes it."""

    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    not_before: datetime = AT - timedelta(days=1)
    not_after: datetime = AT + timedelta(days=365)

    @cached_property
    def pem(self) -> bytes:
        """The public key, PEM."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @cached_property
    def key_id(self) -> str:
        """First 16 hex digits of SHA-256 over the DER form."""
        der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(der).hexdigest()[:16]

    @property
    def document(self) -> dict[str, Any]:
        """The key as `keys.json` publishes it."""
        dates = {"not_before": iso(self.not_before), "not_after": iso(self.not_after)}
        return {"key_id": self.key_id, "public_key_pem": self.pem.decode(), **dates}

    def sign(self, data: bytes) -> bytes:
        """ECDSA-SHA256 signature, DER."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))


def item_bodies(number: int, count: int) -> list[bytes]:
    """Bodies of the items of a batch."""
    return [canonical.encode({"id": f"{number}-{place}", "op": "created"}) for place in range(count)]


def body_of(number: int, *, items: list[bytes], sealed: dict[str, Any] | None = None, tenant: UUID = TENANT) -> bytes:
    """Body of record `number`."""
    body: dict[str, Any] = {
        "v": 1,
        "id": str(UUID(int=number)),
        "tenant": str(tenant),
        "type": "graph.entities.upserted",
        "tv": 1,
        "actor": "user:7",
        "at": iso(AT + timedelta(seconds=number)),
        "request": f"request-{number}",
        "data": {"note": f"données № {number}"},
    }
    if items:
        body["items"] = {"count": len(items), "root": merkle.root([merkle.leaf_hash(item) for item in items]).hex()}
    if sealed:
        body["sealed"] = {
            name: canonical.commitment(SALT, canonical.encode(value)).hex() for name, value in sealed.items()
        }
    return canonical.encode(body)


@dataclass
class Ledger:
    """A whole ledger of `size` records with checkpoints at `signed_at`; every fifth record is a batch of 7 items."""

    size: int
    signed_at: tuple[int, ...] = ()
    signer: Signer = field(default_factory=Signer)
    records: list[ExportedRecord] = field(default_factory=list)
    checkpoints: list[SignedNote] = field(default_factory=list)

    def __post_init__(self) -> None:
        prev, frontier = chain.GENESIS, merkle.Frontier()
        for number in range(1, self.size + 1):
            items = item_bodies(number, 7) if number % 5 == 0 else []
            sealed = {"email": "ada@alpha.example"} if number % 3 == 0 else {}
            body = body_of(number, items=items, sealed=sealed)
            leaf = merkle.leaf_hash(body)
            hash_ = chain.link_hash(TENANT, number, prev, leaf)
            openings = [(name, SALT, value) for name, value in sealed.items()]
            self.records.append(ExportedRecord(number, body, prev, hash_, items, openings))
            frontier.append(leaf)
            prev = hash_
            if number in self.signed_at:
                self.checkpoints.append(self.sign(number, frontier.root(), hash_))

    @property
    def leaves(self) -> list[bytes]:
        """Leaf hashes of all records."""
        return [merkle.leaf_hash(record.body) for record in self.records]

    def sign(self, size: int, root: bytes, head: bytes, signer: Signer | None = None, at: datetime = AT) -> SignedNote:
        """A signed checkpoint."""
        signer = signer or self.signer
        note = chain.checkpoint_note(TENANT, size=size, root=root, head=head, at=at, key_id=signer.key_id)
        return SignedNote(size, note, signer.sign(note.encode()))

    def lines(self, **changes: Any) -> list[bytes]:
        """The export, line by line."""
        asked: dict[str, Any] = {"checkpoints": self.checkpoints, "keys": [self.signer.document], "at": AT} | changes
        return list(exports.lines(TENANT, asked.pop("records", self.records), **asked))
