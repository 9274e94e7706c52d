"""The account of one subscription: what was handed to the socket, in order, as a hash chain and in figures. Pure: no Django.

A subscriber asks for it (`extensions: {"statement": true}`); of others none is kept. The chain binds each message's
place, its event and its bytes, so that a client which kept its messages can work it out itself:

    head(0) = SHA-256(TAG + account id)
    head(k) = SHA-256(head(k-1) + sequence as 8 bytes + length of the event id as 2 bytes + event id + SHA-256(payload))

for the k-th message. Its sequence number counts every update, told or not (`numbering.py`): that of the message before
it plus one, plus what the message says was left out or superseded. Numbers are big-endian, texts UTF-8. `payload` is the text that stands behind `"payload":` in the message, byte for byte.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from apps.core.clock import iso, utc_now

TAG = b"intelgraph-delivery-v1\n"
ALGORITHM = "intelgraph-delivery-v1"
MAX_LISTED = 50
"""Discontinuities that are listed one by one: the last so many. Their sums are always whole."""

_EXTENDED = '"extensions"'


class Handed(NamedTuple):
    """What an account notes of one message: the same for all who are handed the same bytes."""

    event_id: str
    digest: bytes
    superseded: int = 0
    gap: dict[str, Any] | None = None


def extensions_of(payload: str) -> dict[str, Any]:
    """Return the extensions of a result, which is JSON."""
    if _EXTENDED not in payload:
        return {}
    found: dict[str, Any] = orjson.loads(payload).get("extensions") or {}
    return found


def handed(payload: str) -> Handed:
    """Return what is to be noted of a message with this payload."""
    said = extensions_of(payload)
    return Handed(
        str(said.get("eventId", "")),
        hashlib.sha256(payload.encode()).digest(),
        int(said.get("coalesced", {}).get("superseded", 0)),
        said.get("discontinuity"),
    )


def beginning(account_id: str) -> bytes:
    """Return the head of an account's chain before anything was handed on."""
    return hashlib.sha256(TAG + account_id.encode()).digest()


def link(head: bytes, sequence: int, event_id: str, digest: bytes) -> bytes:
    """Return the head behind one message more."""
    event = event_id.encode()
    return hashlib.sha256(
        b"".join((head, sequence.to_bytes(8, "big"), len(event).to_bytes(2, "big"), event, digest))
    ).digest()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscription is: whose, to what, and how its reader may see it. Hashes are SHA-256 in hexadecimal."""

    account_id: str
    operation: str
    tenant_id: str
    actor: str
    field: str
    action: str
    document: str
    variables: str
    redaction: str
    since: str | None
    numbered_after: int


@dataclass(slots=True, eq=False)
class Account:
    """What one subscription was handed."""

    terms: Terms
    opened_at: datetime = field(default_factory=utc_now)
    after: str | None = None
    """Behind which event it begins; None for a state, which has no events."""
    messages: int = 0
    sequence: int = 0
    """The number of the last update that was told."""
    head: bytes = b""
    first_event: str = ""
    last_event: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None
    coalesced: int = 0
    shed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    gap_count: int = 0
    acknowledged: int | None = None
    acknowledged_at: datetime | None = None
    ended: dict[str, Any] | None = None
    left_out: int = 0
    """What was left out, and the client not told, when it ended."""

    def __post_init__(self) -> None:
        self.head, self.sequence = beginning(self.terms.account_id), self.terms.numbered_after
        self.after = self.terms.since

    @property
    def mark(self) -> tuple[int, int | None, bool]:
        """What differs when there is something new to say."""
        return self.sequence, self.acknowledged, self.ended is not None

    def note(self, messages: tuple[Handed, ...]) -> None:
        """These messages were handed to the socket, in this order."""
        now = utc_now()
        if self.first_at is None:
            self.first_at = now
        self.last_at = now
        for message in messages:
            missed = 0 if message.gap is None else int(message.gap["missed"])
            self.messages += 1
            self.sequence += 1 + message.superseded + missed
            self.head = link(self.head, self.sequence, message.event_id, message.digest)
            if message.event_id:
                self.first_event = self.first_event or message.event_id
                self.last_event = message.event_id
            self.coalesced += message.superseded
            if message.gap is not None:
                self._note_gap(message.gap)

    def _note_gap(self, gap: dict[str, Any]) -> None:
        missed, reasons = int(gap["missed"]), list(gap["reasons"])
        why = "+".join(reasons)
        self.shed += missed
        self.reasons[why] = self.reasons.get(why, 0) + missed
        self.gap_count += 1
        self.gaps.append(
            {
                "sequence": self.sequence,
                "missed": missed,
                "first": gap["first"],
                "last": gap["last"],
                "since": gap["since"],
                "reasons": reasons,
            }
        )
        del self.gaps[:-MAX_LISTED]

    def acknowledge(self, sequence: int) -> None:
        """The client has answered to something that was sent after the update of this number."""
        if self.acknowledged is None or sequence >= self.acknowledged:
            self.acknowledged, self.acknowledged_at = sequence, utc_now()

    def end(self, by: str, code: int | None, reason: str) -> None:
        """The subscription is over; the first end counts."""
        if self.ended is None:
            self.ended = {"at": iso(utc_now()), "by": by, "code": code, "reason": reason}

    def predicate(self, waiting: int = 0, left_out: int = 0) -> dict[str, Any]:
        """Return the account as it stands, as a statement says it.

        `waiting` updates are in the server's hands still, `left_out` were left out and the client is not told yet.
        """
        terms = self.terms
        if self.ended is not None:
            left_out = self.left_out
        return {
            "tenant": terms.tenant_id,
            "actor": terms.actor,
            "account": terms.account_id,
            "operation": terms.operation,
            "subscription": {
                "field": terms.field,
                "action": terms.action,
                "document": terms.document,
                "variables": terms.variables,
                "redaction": terms.redaction,
                "since": terms.since,
            },
            "state": "open" if self.ended is None else "ended",
            "ended": self.ended,
            "sequence": {"after": terms.numbered_after, "to": self.sequence},
            "acknowledged": {"sequence": self.acknowledged, "at": _iso(self.acknowledged_at)},
            "events": {"after": self.after, "first": self.first_event or None, "last": self.last_event or None},
            "times": {
                "opened": iso(self.opened_at),
                "first": _iso(self.first_at),
                "last": _iso(self.last_at),
                "asOf": iso(utc_now()),
            },
            "counts": {
                "delivered": self.messages,
                "coalesced": self.coalesced,
                "shed": self.shed,
                "shedByReason": dict(sorted(self.reasons.items())),
                "discontinuities": self.gap_count,
                "waiting": waiting,
                "leftOut": left_out,
            },
            "discontinuities": list(self.gaps),
            "digest": {"algorithm": ALGORITHM, "head": self.head.hex()},
        }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(at)
