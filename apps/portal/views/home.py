"""A tenant's home: what it holds, what changed, what to do first. And the command palette's list."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.panels import MOST_LINES, PanelLine
from apps.core.scope import require_tenant_id
from apps.core.sockets import PANELS
from apps.graph import selectors as graph
from apps.graph.types import EntityRow, Summary
from apps.identity import selectors as identity
from apps.ledger import selectors as ledger
from apps.ledger.types import TenantHead
from apps.policy import services as policy
from apps.portal import actors, door, dossier, figures, kinds, licences, navigation, shown, wording
from apps.portal.types import Badge, Stat, TimelineItem, Tone

HOURS = 24
MOST_RECORDS = 10_000  # are counted for the drawing; of more, the newest
RECENT = 6
BARS = 8
FOUND = 7


@dataclass(frozen=True, slots=True)
class FirstStep:
    """Something to do in a new tenant, and whether it is done."""

    label: str
    about: str
    done: bool
    href: str


def per_hour(moments: Sequence[tuple[datetime, int]], now: datetime) -> tuple[float, ...]:
    """Return how many records fell into each of the last 24 hours, oldest first."""
    counted = Counter(int((now - at).total_seconds() // 3600) for at, _ in moments)
    return tuple(float(counted.get(hour, 0)) for hour in reversed(range(HOURS)))


def _stats(ctx: Context, summary: Summary, head: TenantHead | None) -> tuple[Stat, ...]:
    slug = ctx.tenant_slug
    may_list, may_ledger = door.may(ctx, "graph.entity.read"), door.may(ctx, "ledger.record.read")
    found = ledger.activity(require_tenant_id(), since=ctx.now - timedelta(hours=HOURS), limit=MOST_RECORDS)
    points = per_hour(found, ctx.now)
    written = figures.grouped(len(found)) + ("+" if len(found) == MOST_RECORDS else "")
    return (
        Stat(
            "Entities",
            figures.grouped(summary.entity_count),
            icon="waypoints",
            note=figures.plural(len(summary.kinds), "kind"),
            window="now",
            href=reverse("portal:entities", args=[slug]) if may_list else "",
        ),
        Stat(
            "Relations",
            figures.grouped(summary.edge_count),
            icon="arrow-right-left",
            note=figures.plural(len(summary.edge_kinds), "kind"),
            window="now",
        ),
        Stat(
            "Records",
            written,
            icon="scroll-text",
            window="last 24 hours",
            note=f"newest: {figures.grouped(head.number)}" if head else "none yet",
            href=reverse("portal:ledger", args=[slug]) if may_ledger else "",
            points=points if found else (),
            points_about=f"{written} records, by hour, in the last 24 hours",
        ),
        Stat(
            "Traversal lag",
            figures.grouped(summary.projection_lag),
            unit="event" if summary.projection_lag == 1 else "events",
            icon="gauge",
            note="caught up" if not summary.projection_lag else "catching up",
            window="now",
        ),
    )


def _recent_records(ctx: Context) -> tuple[TimelineItem, ...]:
    records = ledger.newest(require_tenant_id(), limit=RECENT)
    names = actors.names_of(ctx, {record.actor for record in records})
    items = []
    for record in records:
        title, icon = wording.words_of(record.type), wording.icon_of(record.type)
        note = figures.plural(record.item_count, "thing") if record.item_count else ""
        items.append(
            TimelineItem(
                title,
                record.at,
                names.get(record.actor, record.actor),
                icon,
                note,
                dossier.proof_of(ctx, record, linked=True),
            )
        )
    return tuple(items)


def _recent_entities(ctx: Context) -> tuple[list[tuple[str, str, EntityRow]], set[str]]:
    rows = graph.list_entities(ctx, first=RECENT * 2, order="updatedAt", descending=True, count=False).rows
    clearance, salt = policy.clearance(ctx), require_tenant_id().bytes
    seen = [shown.entity(row, clearance, salt) for row in rows]
    visible = [one for one in seen if not one.withheld][:RECENT]
    return [(one.name, kinds.icon_of(one.row.kind), one.row) for one in visible], {one.row.licence for one in visible}


def _first_steps(ctx: Context, summary: Summary) -> tuple[FirstStep, ...]:
    slug = ctx.tenant_slug
    steps = []
    if door.may(ctx, "connectors.job.read"):
        steps.append(
            FirstStep(
                "Bring in data",
                "STIX bundles, CSV or JSON Lines files",
                summary.entity_count > 0,
                reverse("portal:imports", args=[slug]),
            )
        )
    if door.may(ctx, "graph.entity.read"):
        steps.append(
            FirstStep(
                "Follow a relation",
                "Open an entity and see who it is connected to",
                summary.edge_count > 0,
                reverse("portal:entities", args=[slug]),
            )
        )
    if door.may(ctx, "identity.key.read"):
        steps.append(
            FirstStep(
                "Connect a program",
                "An API key reads and writes the same graph",
                bool(identity.api_keys(ctx)),
                reverse("portal:developers"),
            )
        )
    if door.may(ctx, "ledger.record.read"):
        steps.append(
            FirstStep(
                "Verify the ledger",
                "With one file, on your own laptop, without us",
                ledger.newest_checkpoint(require_tenant_id()) is not None,
                reverse("portal:ledger", args=[slug]),
            )
        )
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class CardLine:
    """A line of a card with where it leads."""

    line: PanelLine
    badge: Badge | None
    href: str


@dataclass(frozen=True, slots=True)
class HomeCard:
    """A card that an app offers to the home page. `more` lines are left out."""

    title: str
    lines: tuple[CardLine, ...]
    href: str
    more: int


ICONS = {"ok": "circle-check", "warn": "triangle-alert", "danger": "circle-alert"}


def _cards(ctx: Context) -> list[HomeCard]:
    """Return the cards of all apps that the viewer may see and that have something to say."""
    found = []
    for panel in sorted(PANELS, key=lambda one: (one.order, one.title)):
        lines = panel.read(ctx) if door.may(ctx, panel.action) else ()
        if not lines:
            continue
        slug = ctx.tenant_slug
        found.append(
            HomeCard(
                panel.title,
                tuple(
                    CardLine(
                        line,
                        Badge(line.value, Tone(line.tone), ICONS[line.tone]) if line.tone in ICONS else None,
                        reverse(f"portal:{line.page}", args=[slug, *line.args]) if line.page else "",
                    )
                    for line in lines[:MOST_LINES]
                ),
                reverse(f"portal:{panel.page}", args=[slug]) if panel.page else "",
                max(0, len(lines) - MOST_LINES),
            )
        )
    return found


@require_safe
@door.tenant_page("graph.summary.read", "home")
def home(request: HttpRequest, ctx: Context) -> HttpResponse:
    """What the tenant holds, what changed last, what to do first."""
    since = door.newest_event()
    summary = graph.graph_summary(ctx)
    may_list = door.may(ctx, "graph.entity.read")
    entities, found_licences = _recent_entities(ctx) if may_list else ([], set())
    steps = _first_steps(ctx, summary)
    most = max((count for _, count in summary.kinds), default=1)
    list_href = reverse("portal:entities", args=[ctx.tenant_slug])
    return render(
        request,
        "portal/home.html",
        {
            "slug": ctx.tenant_slug,
            "since": since,
            "stats": _stats(ctx, summary, ledger.head(require_tenant_id())),
            "bars": tuple(
                (kind, count, 100 * count / most, f"{list_href}?kind={kind}" if may_list else "")
                for kind, count in summary.kinds[:BARS]
            ),
            "more_kinds": max(0, len(summary.kinds) - BARS),
            "records": _recent_records(ctx) if door.may(ctx, "ledger.record.read") else None,
            "entities": entities if may_list else None,
            "cards": _cards(ctx),
            "steps": steps,
            "steps_done": sum(step.done for step in steps),
            "steps_open": any(not step.done for step in steps),
            "notices": licences.notices_of(found_licences),
        },
    )


@require_safe
@door.tenant_page("graph.summary.read")
def palette(request: HttpRequest, ctx: Context) -> HttpResponse:
    """What the command palette offers for the words typed so far: entities, pages, commands."""
    words = request.GET.get("q", "").strip()[:200]
    low = words.lower()
    pages = [
        (page, reverse(f"portal:{page.name}", args=[ctx.tenant_slug]))
        for page in navigation.PAGES
        if door.may(ctx, page.action) and (low in page.label.lower() or low in page.about)
    ]
    pages += [
        (page, reverse(f"portal:{page.name}"))
        for page in navigation.EVERYWHERE
        if door.may(ctx, page.action) and (low in page.label.lower() or low in page.about)
    ]
    found: list[shown.Shown] = []
    if len(words) >= 2 and door.may(ctx, "graph.search"):
        try:
            hits = graph.search(ctx, q=words, first=FOUND).hits
        except InvalidInput:
            hits = []  # nothing that can be searched for: no word in it
        clearance, salt = policy.clearance(ctx), require_tenant_id().bytes
        found = [one for one in (shown.entity(hit.entity, clearance, salt) for hit in hits) if not one.withheld]
    commands = [one for one in COMMANDS if low in one[0].lower()]
    return render(
        request,
        "portal/palette_list.html",
        {
            "slug": ctx.tenant_slug,
            "entities": [
                (
                    one.name,
                    one.row.kind,
                    kinds.icon_of(one.row.kind),
                    reverse("portal:entity", args=[ctx.tenant_slug, one.row.id]),
                )
                for one in found
            ],
            "pages": pages,
            # Who types the beginning of a page's name means the page.
            "pages_first": bool(low) and any(page.label.lower().startswith(low) for page, _ in pages),
            "commands": commands,
            "words": words,
        },
    )


COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("Light appearance", "sun", "[data-preferences] [name=theme][value=light]"),
    ("Dark appearance", "moon", "[data-preferences] [name=theme][value=dark]"),
    ("Appearance of the system", "monitor", "[data-preferences] [name=theme][value=auto]"),
    ("Keyboard help", "keyboard", "[data-help-open]"),
    ("Sign out", "log-out", "[data-sign-out]"),
)
"""Words, icon, and what is pressed."""
