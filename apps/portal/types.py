"""What the components of `templates/components/` take: small values, made by views, free of Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Tone(StrEnum):
    """What a mark means; each tone is a colour role and never stands without an icon or a word."""

    NEUTRAL = "neutral"
    ACCENT = "accent"
    OK = "ok"
    WARN = "warn"
    DANGER = "danger"
    INFO = "info"
    SEALED = "sealed"
    WITHHELD = "withheld"


class ProposalState(StrEnum):
    """Where a proposal of staff stands."""

    OPEN = "open"
    APPLIED = "applied"
    REJECTED = "rejected"
    EXPIRED = "expired"


class ProofState(StrEnum):
    """Where a record stands on its way into the chain."""

    SEALED = "sealed"
    WAITING = "waiting"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the path above a page's title."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a tone and an icon."""

    label: str
    tone: Tone = Tone.NEUTRAL
    icon: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A line to run, under the name of the tool that runs it."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What the proof chip shows. `hash` is hex of the record's chain hash, empty while it waits for its number."""

    state: ProofState
    hash: str = ""
    number: int | None = None
    href: str = ""
    download_href: str = ""
    commands: tuple[Command, ...] = ()

    @property
    def short(self) -> str:
        """The first eight characters of the hash."""
        return self.hash[:8]


@dataclass(frozen=True, slots=True)
class Withheld:
    """Fields or relations that this reader does not see: how many, why, and how to ask."""

    count: int
    reason: str
    names: tuple[str, ...] = ()
    ask: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fact comes from: source, licence, when it came and who brought it."""

    source: str
    licence: str = ""
    at: datetime | None = None
    actor: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; None means that it was not there. `withheld` hides both."""

    field: str
    before: str | None
    after: str | None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """Something that happened: what, who, when, where its proof is, and what it changed."""

    title: str
    at: datetime
    actor: str = ""
    icon: str = "circle-dot"
    note: str = ""
    proof: Proof | None = None
    changes: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Stat:
    """A number with its unit and window. `points` are equally spaced samples of the window, oldest first."""

    label: str
    value: str
    unit: str = ""
    window: str = ""
    note: str = ""
    href: str = ""
    icon: str = ""
    points: tuple[float, ...] = ()
    points_about: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """Use against a limit, both in `unit`; `forecast` is where use will stand at the window's end."""

    label: str
    used: float
    limit: float
    unit: str
    window: str
    forecast: float | None = None

    @property
    def percent(self) -> float:
        """Use in percent of the limit, at most 100."""
        return min(100.0, 100.0 * self.used / self.limit) if self.limit else 100.0

    @property
    def forecast_percent(self) -> float | None:
        """The forecast in percent of the limit, at most 100."""
        if self.forecast is None or not self.limit:
            return None
        return min(100.0, 100.0 * self.forecast / self.limit)

    @property
    def tone(self) -> Tone:
        """Danger at the limit, warn when use or forecast comes near or past it."""
        if self.used >= self.limit:
            return Tone.DANGER
        if self.percent >= 85 or (self.forecast is not None and self.forecast > self.limit):
            return Tone.WARN
        return Tone.ACCENT


@dataclass(frozen=True, slots=True)
class Step:
    """A step of long work. `state` is one of done, current, todo, failed."""

    label: str
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Long work with its steps: progress in percent (None: unknown), the log so far, where to cancel it."""

    title: str
    steps: tuple[Step, ...]
    percent: float | None = None
    log: str = ""
    cancel_href: str = ""
    cancel_loses: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """One variant of a code block: its language as people call it, and the text."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    `matters` keeps it on a narrow screen (two columns at most should), `tight` never wraps it, `clip` cuts it with an
    ellipsis.
    """

    key: str
    label: str
    sortable: bool = False
    numeric: bool = False
    matters: bool = False
    tight: bool = False
    clip: bool = False
    optional: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a table. Exactly one of the typed fields is drawn; plain `text` otherwise.

    `snippet` is a second line: stretches of text, and whether each is what was searched for.
    """

    text: str = ""
    href: str = ""
    code: bool = False
    at: datetime | None = None
    badge: Badge | None = None
    proof: Proof | None = None
    withheld: Withheld | None = None
    note: str = ""
    icon: str = ""
    snippet: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row: cells by column key, and the id that live changes name."""

    id: str
    cells: Mapping[str, Cell]
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """A value that a filter may take."""

    value: str
    label: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A set of chips over one field; one of them may be on."""

    key: str
    label: str
    options: tuple[Option, ...]
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class KeptFilter:
    """A list's state that was kept under a name. `own`: the viewer kept it."""

    id: UUID
    name: str
    state: Mapping[str, str]
    shared: bool
    own: bool


@dataclass(frozen=True, slots=True)
class KeptLink:
    """A kept filter on a list: where it leads, whether it is what the list shows now, where it is deleted (if allowed)."""

    kept: KeptFilter
    href: str
    on: bool
    delete_href: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The kept filters of a list. `state` is what saving would keep; empty when there is nothing to keep, or it is kept."""

    links: tuple[KeptLink, ...]
    save_href: str
    state: Mapping[str, str]
    may_share: bool


@dataclass(frozen=True, slots=True)
class Empty:
    """What an empty list says: what will be here, and the first step."""

    title: str
    text: str
    icon: str = "inbox"
    action: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class NavItem:
    """A page of the navigation. `key` is what follows `g` on the keyboard; `roles` may see it (empty: everyone)."""

    name: str
    label: str
    href: str
    icon: str
    key: str = ""
    current: bool = False


@dataclass(frozen=True, slots=True)
class NavSection:
    """Pages that serve one task."""

    label: str
    items: tuple[NavItem, ...]


@dataclass(frozen=True, slots=True)
class TenantChoice:
    """A tenant that the viewer may enter."""

    slug: str
    name: str
    region: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Acting:
    """Where the viewer, one of the platform's staff, acts now."""

    tenant: str
    href: str
    reason: str
    ends_at: datetime
    wide: bool


@dataclass(frozen=True, slots=True)
class Shell:
    """What surrounds a signed-in page: who looks, at which tenant, in which roles, from which region; and what its
    scripts may follow live: `changes`, `jobs`, `usage`."""

    person: str
    email: str
    roles: tuple[str, ...]
    tenant: TenantChoice | None
    tenants: tuple[TenantChoice, ...]
    region: str
    purpose: str = ""
    sections: tuple[NavSection, ...] = ()
    search_href: str = ""
    palette_href: str = ""
    hears: tuple[str, ...] = ()
