"""The bus in the admin: how far each subscriber is, and the events that one could not take."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.bus import services
from apps.bus.events import ParkedDropped, ParkedReplayed
from apps.bus.models import Cursor, Parked
from apps.core.admin import Outcome, PlatformAdmin, ReasonForm, Trail, Verb, filters, shown
from apps.core.context import Context
from apps.core.sockets import SUBSCRIBERS
from apps.ledger import selectors as ledger

STATES = {
    Parked.State.PARKED: ("warn", "inbox"),
    Parked.State.REPLAYED: ("ok", "rotate-ccw"),
    Parked.State.DROPPED: ("neutral", "trash-2"),
}
ERROR_CHARS = 60


def _settle(verb: Callable[..., None], word: str) -> Callable[[Context, Parked, dict[str, Any]], Outcome]:
    def run(ctx: Context, row: Parked, answers: dict[str, Any]) -> Outcome:
        verb(ctx, parked_id=row.id, reason=answers["reason"])
        return Outcome(f"{word} {row}.", row.id)

    return run


def _settled(row: Parked) -> str:
    return "" if row.state == Parked.State.PARKED else f"it was {row.state} before"


def _subscribers(rows: Sequence[Parked]) -> str:
    return ", ".join(sorted({row.subscriber for row in rows}))


@admin.register(Parked)
class ParkedAdmin(PlatformAdmin):
    """Events that a subscriber refused five times."""

    read_action = "platform.bus.read"
    about = "Events that a subscriber refused five times and that were set aside, so that the rest goes on."
    empty = "No event is parked: every subscriber took everything it was handed."
    tenant_column = "event_tenant_id"
    search_hint = "id of the parked event"
    list_display = ("type", "tenant_label", "number", "subscriber", "state_mark", "error_short", "parked_at")
    list_matters = ("type", "state_mark")
    list_numeric = ("number",)
    list_filter = (
        filters.choice("state", "state", Parked.State.choices),
        filters.TenantFilter,
        filters.exact("subscriber", "subscriber", "its name"),
    )
    detail = (
        (
            "Parked event",
            (
                "type",
                "tenant_label",
                "number",
                "position",
                "subscriber",
                "state_mark",
                "tries",
                "parked_at",
                "settled_at",
            ),
        ),
        ("Why it was refused", ("error_shown",)),
    )
    verbs = (
        Verb(
            "replay",
            "Replay",
            "platform.bus.replay",
            run=_settle(services.replay_parked, "Replayed"),
            icon="rotate-ccw",
            form=ReasonForm,
            bulk=True,
            unfit=_settled,
            consequences=lambda rows: (
                f"{_subscribers(rows)} is handed {'this event' if len(rows) == 1 else f'these {len(rows)} events'} again, at once.",
                "It comes after events that were recorded later and are applied already; subscribers keep the newer version.",
                "If it is refused again, nothing changes and the reason is shown.",
            ),
        ),
        Verb(
            "drop",
            "Drop",
            "platform.bus.drop",
            run=_settle(services.drop_parked, "Dropped"),
            icon="trash-2",
            form=ReasonForm,
            bulk=True,
            danger=True,
            unfit=_settled,
            consequences=lambda rows: (
                f"{_subscribers(rows)} never gets {'this event' if len(rows) == 1 else f'these {len(rows)} events'}:"
                " what it keeps lacks the change until it is rebuilt.",
                "The event itself stays in the ledger. A drop cannot be taken back.",
            ),
        ),
    )

    def found(self, request: HttpRequest, rows: QuerySet[Parked], term: str) -> QuerySet[Parked]:
        """By its own id."""
        return rows.filter(pk=int(term)) if term.isascii() and term.isdigit() and len(term) < 19 else rows.none()

    @admin.display(description="state")
    def state_mark(self, obj: Parked) -> shown.Mark:
        """The state with its tone."""
        return shown.Mark(obj.state, *STATES[Parked.State(obj.state)])

    @admin.display(description="refused because")
    def error_short(self, obj: Parked) -> str:
        """The beginning of the error."""
        return obj.error if len(obj.error) <= ERROR_CHARS else f"{obj.error[:ERROR_CHARS]}…"

    @admin.display(description="error of the last try")
    def error_shown(self, obj: Parked) -> shown.Document:
        """The error in full."""
        return shown.Document(obj.error)

    def panels(self, request: HttpRequest, obj: Parked) -> Sequence[shown.Panel]:
        """The event itself, as the ledger holds it."""
        record = ledger.record(obj.event_tenant_id, obj.number)
        rows = []
        if record is not None:
            name = f"#{record.number}"
            opens = self.roof.opens(request, "ledger.record")
            rows.append(
                (
                    shown.Link(name, self.address_of("ledger.record", record.record_id)) if opens else name,
                    record.type,
                    shown.Hash(record.hash.hex()),
                    record.item_count,
                    record.at,
                )
            )
        return (
            shown.Panel(
                "Its record", ("Number", "Type", "Hash", "Items", "When"), rows, "The ledger holds no such record."
            ),
        )

    def trail(self, obj: Parked) -> Trail:
        """What was decided stands in the ledger of the event's tenant."""
        return Trail(obj.event_tenant_id, (ParkedReplayed.name, ParkedDropped.name), "parked_id", str(obj.id))


@admin.register(Cursor)
class CursorAdmin(PlatformAdmin):
    """How far each subscriber is."""

    noun, nouns = "subscriber", "subscribers"
    read_action = "platform.bus.read"
    about = "Who follows the ledger, and how far. Each cursor moves in the transaction of its subscriber's effect."
    empty = "No subscriber has run so far. Start a relay."
    keyset = "subscriber"
    list_display = ("subscriber", "lag", "position", "moved", "plugged")
    list_matters = ("subscriber", "lag")
    list_numeric = ("position",)
    detail = (("Subscriber", ("subscriber", "lag", "position", "newest", "moved", "plugged", "wants")),)

    def prepare(self, request: HttpRequest, rows: Sequence[Cursor]) -> None:
        """Ask once where the newest record stands."""
        newest = ledger.head_position()
        for row in rows:
            row.__dict__["ig_newest"] = newest

    @admin.display(description="behind")
    def lag(self, obj: Cursor) -> shown.Amount:
        """Events of all tenants that it has still to pass."""
        return shown.Amount(max(0, obj.__dict__["ig_newest"] - obj.position), "events")

    @admin.display(description="newest position of all")
    def newest(self, obj: Cursor) -> int:
        """Where the newest record stands."""
        return int(obj.__dict__["ig_newest"])

    @admin.display(description="last moved")
    def moved(self, obj: Cursor) -> Any:
        """When it last passed events."""
        return obj.updated_at

    @admin.display(description="in this release")
    def plugged(self, obj: Cursor) -> bool:
        """Whether this release has the subscriber."""
        return obj.subscriber in SUBSCRIBERS

    @admin.display(description="types it wants")
    def wants(self, obj: Cursor) -> str:
        """The types of events that it asked for."""
        if obj.subscriber not in SUBSCRIBERS:
            return ""
        return ", ".join(SUBSCRIBERS.get(obj.subscriber).types) or "all"
