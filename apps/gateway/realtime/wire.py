"""What travels over a tenant's topic: changes with their documents, in the ledger's order. Pure: no Django.

A message covers a stretch of the tenant's ledger, from just behind `after` up to and including `upto`. Both are
cursors: (number of a record, position of an item in it). Stretches follow one another without holes, so a reader who
has come to a cursor knows from the next message alone whether something is missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

WHOLE = 999_999_999
"""The position behind the last item of any record."""


class Cursor(NamedTuple):
    """A place in a tenant's ledger: everything up to and including this item has been seen."""

    number: int
    position: int = WHOLE

    @property
    def event_id(self) -> str:
        """The event id that names this place."""
        return str(self.number) if self.position == WHOLE else f"{self.number}.{self.position}"


def topic(tenant_id: UUID) -> str:
    """Return the Redis channel of a tenant's changes."""
    return f"ig:t:{tenant_id}:changes"


@dataclass(frozen=True, slots=True)
class Change:
    """One entity or edge that was created, updated or deleted.

    `document` is its content after the change in the API's field names; None when it was deleted or has been erased.
    `tags` are what policy needs to know of something that is gone: [data class, redaction policy, purposes].
    `published_at` is when the ledger numbered it (RFC 3339, microseconds).
    """

    number: int
    position: int
    event_id: str
    ref_kind: str
    ref_id: str
    op: str
    version: int
    kind: str
    published_at: str
    document: dict[str, Any] | None = None
    tags: tuple[str, str, tuple[str, ...]] | None = None

    @property
    def cursor(self) -> Cursor:
        """The place right behind this change."""
        return Cursor(self.number, self.position)


@dataclass(frozen=True, slots=True)
class Notice:
    """A record of another kind, such as a revoked key: it may end what connections are allowed."""

    number: int
    type: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a tenant's ledger without holes.

    `platform` is a number of the platform's own ledger: what ends somebody's access in all tenants stands there, and
    whatever was committed before these changes stands at or before that number.
    """

    after: Cursor
    upto: Cursor
    changes: tuple[Change, ...] = ()
    notices: tuple[Notice, ...] = ()
    platform: int = 0


@dataclass(slots=True)
class StretchBuilder:
    """Cuts a run of records into stretches of bounded size."""

    after: Cursor
    max_changes: int = 200
    platform: int = 0
    _changes: list[Change] = field(default_factory=list)
    _notices: list[Notice] = field(default_factory=list)

    def add(self, change: Change) -> Stretch | None:
        """Add a change; return a full stretch when one is."""
        self._changes.append(change)
        return self.cut(change.cursor) if len(self._changes) >= self.max_changes else None

    def note(self, notice: Notice) -> None:
        """Add a notice."""
        self._notices.append(notice)

    def cut(self, upto: Cursor) -> Stretch:
        """Return what was added since the last cut as a stretch that ends at `upto`."""
        stretch = Stretch(self.after, upto, tuple(self._changes), tuple(self._notices), self.platform)
        self.after, self._changes, self._notices = upto, [], []
        return stretch


def encode(stretch: Stretch) -> bytes:
    """Return a stretch as a message."""
    return orjson.dumps(
        {
            "after": list(stretch.after),
            "upto": list(stretch.upto),
            "changes": [
                (
                    c.number,
                    c.position,
                    c.event_id,
                    c.ref_kind,
                    c.ref_id,
                    c.op,
                    c.version,
                    c.kind,
                    c.published_at,
                    c.document,
                    c.tags,
                )
                for c in stretch.changes
            ],
            "notices": [(n.number, n.type) for n in stretch.notices],
            "platform": stretch.platform,
        }
    )


def _change(raw: list[Any]) -> Change:
    number, position, event_id, ref_kind, ref_id, op, version, kind, published_at, document, tags = raw
    kept = (str(tags[0]), str(tags[1]), tuple(tags[2])) if tags else None
    return Change(number, position, event_id, ref_kind, ref_id, op, version, kind, published_at, document, kept)


def decode(message: bytes) -> Stretch:
    """Return the stretch of a message. Raises ValueError when it is none."""
    try:
        raw = orjson.loads(message)
        return Stretch(
            Cursor(*raw["after"]),
            Cursor(*raw["upto"]),
            tuple(_change(c) for c in raw["changes"]),
            tuple(Notice(*n) for n in raw["notices"]),
            int(raw.get("platform", 0)),  # a relay of the release before says nothing of it
        )
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"not a message of a topic: {error}") from None


@dataclass(slots=True)
class Tail:
    """Follows a tenant's ledger stretch by stretch."""

    cursor: Cursor

    def missing_before(self, stretch: Stretch) -> bool:
        """Return whether something lies between what was seen and this stretch."""
        return stretch.after > self.cursor

    def take(self, stretch: Stretch) -> Stretch:
        """Return the part of the stretch that was not seen yet, and move behind it.

        Raises ValueError when something is missing before it.
        """
        if self.missing_before(stretch):
            raise ValueError("something is missing before this stretch")
        seen = self.cursor
        if stretch.upto <= seen:
            return Stretch(seen, seen)
        fresh = Stretch(
            seen,
            stretch.upto,
            tuple(_unseen(stretch.changes, seen)),
            tuple(n for n in stretch.notices if n.number > seen.number),
            stretch.platform,
        )
        self.cursor = stretch.upto
        return fresh


def _unseen(changes: Iterable[Change], seen: Cursor) -> Iterable[Change]:
    return (change for change in changes if change.cursor > seen)


def age_s(change: Change) -> float:
    """Return the seconds since the ledger numbered a change (never negative: clocks of machines differ)."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(change.published_at)).total_seconds())
