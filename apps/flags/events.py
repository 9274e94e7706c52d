"""Events of flags. `before` and `after` hold each field as text (see `definition.told`): who owns it, what it serves to whom,
where it stands. Tenants are told apart by their ids. All stand in the platform's ledger."""

from dataclasses import dataclass
from typing import ClassVar

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class FlagEvent(Event):
    """A flag was changed."""

    key: str
    flag_version: int
    reason: str
    before: dict[str, str]
    after: dict[str, str]


@dataclass(frozen=True, slots=True)
class FlagDeclared(FlagEvent):
    """The registry's file brought a flag in, or changed it."""

    name: ClassVar[str] = "flags.flag.declared"


@dataclass(frozen=True, slots=True)
class FlagCreated(FlagEvent):
    """An administrator made a flag."""

    name: ClassVar[str] = "flags.flag.created"


@dataclass(frozen=True, slots=True)
class FlagChanged(FlagEvent):
    """An administrator changed what a flag serves, to whom, or for how long."""

    name: ClassVar[str] = "flags.flag.changed"


@dataclass(frozen=True, slots=True)
class FlagTargeted(FlagEvent):
    """A tenant was given a variant of its own, or lost it. It stands in the tenant's ledger, too."""

    name: ClassVar[str] = "flags.flag.targeted"


@dataclass(frozen=True, slots=True)
class FlagKilled(FlagEvent):
    """The kill switch was thrown: everyone gets the off variant."""

    name: ClassVar[str] = "flags.flag.killed"


@dataclass(frozen=True, slots=True)
class FlagRestored(FlagEvent):
    """The kill switch was put back, or the flag came back from the archive."""

    name: ClassVar[str] = "flags.flag.restored"


@dataclass(frozen=True, slots=True)
class FlagArchived(FlagEvent):
    """The flag is answered no more. Its history stays."""

    name: ClassVar[str] = "flags.flag.archived"


@dataclass(frozen=True, slots=True)
class FlagExpired(Event):
    """A flag is past its date (`overdue`: past the days of grace, too)."""

    name: ClassVar[str] = "flags.flag.expired"
    key: str
    owner: str
    expires: str
    overdue: bool


@dataclass(frozen=True, slots=True)
class FlagWentStale(Event):
    """Nobody evaluates a flag any more."""

    name: ClassVar[str] = "flags.flag.went_stale"
    key: str
    owner: str
    last_seen: str


CHANGES = (FlagDeclared, FlagCreated, FlagChanged, FlagTargeted, FlagKilled, FlagRestored, FlagArchived)
"""Every event with a before and an after."""
