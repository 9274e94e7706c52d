"""What the socket PANELS takes: cards that apps offer to a tenant's home page, as plain words. No Django.

PANELS.plug("quotas.limits", Panel("Limits", "quotas.usage.read", _read, page="limits", order=20))
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.context import Context

MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class PanelLine:
    """A line of a card: what, how it stands (`tone`: neutral, ok, warn, danger), since when; `page` with its `args` is
    where it is told in full."""

    label: str
    value: str = ""
    tone: str = "neutral"
    at: datetime | None = None
    page: str = ""
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """A card. Shown to whoever may do `action`, when `read(ctx)`, in the tenant's scope, has lines; `page` leads on."""

    title: str
    action: str
    read: Callable[[Context], Sequence[PanelLine]]
    page: str = ""
    order: int = 100
