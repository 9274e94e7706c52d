"""Words of flags."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

NO_ATTRIBUTES: Mapping[str, Any] = {}
EVERYTHING = 10_000
"""A whole population, in hundredths of a percent."""

TEND_JOB = "flags.registry.tend"
"""The job that looks for flags that should go."""


class FlagType(StrEnum):
    """What kind of value a flag has."""

    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    OBJECT = "object"


class Scope(StrEnum):
    """Whether a flag may differ between tenants (`tenant`) or is the same for all of them (`global`)."""

    TENANT = "tenant"
    GLOBAL = "global"


class Risk(StrEnum):
    """What is at stake when the flag is turned."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Reason(StrEnum):
    """Why a value was served (OpenFeature specification, types, "Resolution details")."""

    STATIC = "STATIC"  # the flag has no rules
    TARGETING_MATCH = "TARGETING_MATCH"  # a rule or the tenant's own setting
    SPLIT = "SPLIT"  # a percentage
    DEFAULT = "DEFAULT"  # no rule fits
    DISABLED = "DISABLED"  # its kill switch is thrown
    ERROR = "ERROR"


class ErrorCode(StrEnum):
    """What went wrong (OpenFeature specification, types, "Error code")."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    PARSE_ERROR = "PARSE_ERROR"
    GENERAL = "GENERAL"


class State(StrEnum):
    """Where a flag stands."""

    LIVE = "live"
    KILLED = "killed"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Rule:
    """Serves a variant to whom it fits; what is left None or empty fits everyone.

    `tenants` are slugs or ids; `attributes` are (name, values of which one must be equal). With `split`, pairs of
    variant and hundredths of a percent, only these shares of the population are served; the others go on to the next
    rule. `by` names what is hashed (`tenant`, `targetingKey` or an attribute), `salt` the population.
    """

    name: str = ""
    tenants: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    attributes: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    serve: str = ""
    split: tuple[tuple[str, int], ...] = ()
    by: str = ""
    salt: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A flag as it is declared: who owns it, what it may serve, and to whom. `expires` None: it is meant to stay."""

    key: str
    owner: str
    scope: Scope
    expires: date | None
    killswitch: bool
    risk: Risk
    type: FlagType
    variants: Mapping[str, Any]
    default: str
    off: str
    about: str = ""
    remote: bool = True
    rules: tuple[Rule, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a flag is for one caller. With an error code there is no value, and the caller's own default holds.

    Each flag makes its answers once, so an answer is told from others by what it is, not by what it holds.
    """

    key: str
    value: Any = None
    variant: str = ""
    reason: Reason = Reason.ERROR
    error: ErrorCode | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """For whom a flag is evaluated: the tenant as it is known (never as it is claimed), and what a client says."""

    tenant_id: UUID | None = None
    tenant_slug: str = ""
    region: str = ""
    targeting_key: str = ""
    attributes: Mapping[str, Any] = field(default_factory=lambda: NO_ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class FlagView:
    """A flag as people of a tenant see it."""

    definition: Definition
    state: State
    evaluation: Evaluation
    last_seen: datetime | None
    evaluations: int


class FindingKind(StrEnum):
    """What is wrong with a flag's life."""

    EXPIRED = "expired"  # past its date, within the days of grace
    OVERDUE = "overdue"  # past its date and the days of grace
    STALE = "stale"  # nobody evaluates it any more


@dataclass(frozen=True, slots=True)
class Finding:
    """A flag that should go: what is wrong, since when, and what to do."""

    key: str
    kind: FindingKind
    owner: str
    since: date
    message: str

    @property
    def fails(self) -> bool:
        """Whether a pipeline must stop."""
        return self.kind is FindingKind.OVERDUE
