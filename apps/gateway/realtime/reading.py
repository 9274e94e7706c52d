"""From recorded events to stretches with documents: what the publisher sends and what a replay reads. Blocking."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import UUID

from apps.bus import selectors as bus
from apps.bus.types import Delivered
from apps.core.clock import iso
from apps.core.scope import PLATFORM_TENANT_ID, no_scope, tenant_scope
from apps.gateway.realtime.wire import WHOLE, Change, Cursor, Notice, Stretch, StretchBuilder
from apps.graph import selectors as graph
from apps.ledger import selectors as ledger

CHUNK = 200  # changes of a stretch: bounds the size of a message and of one read of documents
PAGE = 200  # records read at once
PIECE = 1_000  # changes read at once
ITEMS = 2_000  # items of several records looked at at once; one record may have more
GRAPH_EVENTS = "graph."
DOCUMENT_KINDS = frozenset({"entity", "edge"})


def _bare(event: Delivered) -> Iterator[Change]:
    """Yield the event's changes without documents."""
    published_at = iso(event.linked_at)
    for position, item in event.items:
        if item.ref_kind in DOCUMENT_KINDS:
            yield Change(
                event.number,
                position,
                event.event_ref(position),
                item.ref_kind,
                str(item.ref_id),
                item.op,
                item.version,
                item.kind,
                published_at,
            )


def _filled(tenant_id: UUID, stretch: Stretch) -> Stretch:
    """Return the stretch with the documents of its changes; of what was deleted, the tags of the last version."""
    if not stretch.changes:
        return stretch
    wanted = [(UUID(c.ref_id), c.version - (c.op == "deleted")) for c in stretch.changes]
    documents = graph.documents(tenant_id, wanted)
    filled = []
    for change, key in zip(stretch.changes, wanted, strict=True):
        document = documents.get(key)
        filled.append(
            Change(
                change.number,
                change.position,
                change.event_id,
                change.ref_kind,
                change.ref_id,
                change.op,
                change.version,
                change.kind,
                change.published_at,
                None if change.op == "deleted" else document,
                _tags(document),
            )
        )
    return replace(stretch, changes=tuple(filled))


def _tags(document: dict[str, Any] | None) -> tuple[str, str, tuple[str, ...]] | None:
    if document is None:
        return None
    return str(document["dataClass"]), str(document["redactionPolicy"]), tuple(document["purposes"])


def stretches(
    tenant_id: UUID, events: Sequence[Delivered], after: Cursor, platform: int | None = None
) -> Iterator[Stretch]:
    """Yield the stretches that a tenant's events make, documents included, from just behind `after`.

    The events are consecutive records with their items; those of the first that lie at or before `after` are left out.
    `platform` is the newest number of the platform's ledger as it stood once the events had been read; unless it is
    given it is read. Notices come in the first stretch, whichever events they follow: of two transactions that commit
    at the same time the one whose record was begun first has the lower number, and may be the one that ended later.
    """
    if platform is None:
        platform = platform_number()
    builder = StretchBuilder(after, CHUNK, platform)
    for event in events:
        if not event.type.startswith(GRAPH_EVENTS):
            builder.note(Notice(event.number, event.type))
    for event in events:
        if not event.type.startswith(GRAPH_EVENTS):
            continue
        for change in _bare(event):
            if change.cursor > after:
                full = builder.add(change)
                if full is not None:
                    yield _filled(tenant_id, full)
    if events:
        yield _filled(tenant_id, builder.cut(Cursor(events[-1].number)))


def head(tenant_id: UUID) -> Cursor:
    """Return the place of the newest numbered record of a tenant."""
    found = ledger.head(tenant_id)
    return Cursor(found.number if found else 0)


def platform_number() -> int:
    """Return the number of the newest record of the platform's own ledger."""
    with no_scope(), tenant_scope(PLATFORM_TENANT_ID):
        return head(PLATFORM_TENANT_ID).number


def read_after(tenant_id: UUID, after: Cursor) -> list[Stretch]:
    """Return the next piece of what follows a place; empty when nothing does.

    A piece has at most PAGE records, PIECE changes with their documents, and about ITEMS items are looked at, however
    large the records are: whoever wants more asks again from where the piece ends.
    """
    # A place inside a record (some of its items seen) means reading that record again.
    start = after.number - (after.position != WHOLE)
    wanted = _as_many_as_fit(bus.after_number(tenant_id, start, limit=PAGE, with_items=False))
    if not wanted:
        return []
    events = bus.after_number(tenant_id, start, limit=wanted, with_items=True)
    return list(islice(stretches(tenant_id, events, after), PIECE // CHUNK))


def _as_many_as_fit(events: Sequence[Delivered]) -> int:
    """Return how many of the records may be read with their items at once: at least the first."""
    items = 0
    for count, event in enumerate(events):
        items += event.item_count
        if items > ITEMS and count:
            return count
    return len(events)
