"""Words of policy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class DataClass(StrEnum):
    """How sensitive data is, from open to most protected (`sensitive`: the special categories of GDPR article 9)."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


class RedactionPolicy(StrEnum):
    """What a caller who is not cleared gets instead of a value."""

    NONE = "none"  # the form that is usual for the data class
    MASK = "mask"
    HASH = "hash"
    GENERALISE = "generalise"
    DROP = "drop"


class Treatment(StrEnum):
    """How one entity or edge is shown to one caller."""

    CLEAR = "clear"
    MASK = "mask"  # name and properties become dots; kind, ids and tags stay
    HASH = "hash"  # they become short hashes, so that equal values stay comparable
    GENERALISE = "generalise"  # numbers become their magnitude, dates their year, texts their first letter
    DROP = "drop"  # they are left out
    WITHHOLD = "withhold"  # the whole thing is left out, and counted


@dataclass(frozen=True, slots=True)
class Action:
    """A verb that policy knows, declared by the app that owns it.

    `name` is `area.noun.verb`; `step_up` asks people for a fresh second factor first.
    """

    name: str
    about: str
    step_up: bool = False


@dataclass(frozen=True, slots=True)
class Tags:
    """What an entity or edge says of itself."""

    data_class: str = DataClass.INTERNAL
    redaction_policy: str = RedactionPolicy.NONE
    purposes: tuple[str, ...] = ()

    @classmethod
    def of(cls, data_class: str | None, redaction_policy: str | None, purposes: Iterable[str] | None) -> "Tags":
        """Return the tags of a row, with the defaults for what it leaves out."""
        return cls(data_class or DataClass.INTERNAL, redaction_policy or RedactionPolicy.NONE, tuple(purposes or ()))


@dataclass(frozen=True, slots=True)
class Clearance:
    """What a caller may see in clear. Callers of equal clearance see equal answers, so it is also the key under which
    shown data may be shared between them."""

    data_classes: frozenset[str]
    purpose: str | None
    machine: bool

    @property
    def key(self) -> str:
        """A short text that is equal for equal clearances."""
        return f"{'+'.join(sorted(self.data_classes))}|{self.purpose or '-'}|{'m' if self.machine else 'p'}"


@dataclass(frozen=True, slots=True)
class Visibility:
    """How something is to be shown, and why not in clear."""

    treatment: Treatment
    reason: str = ""


CLEAR = Visibility(Treatment.CLEAR)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a caller may do something: the rule that decided, why in words, every rule that matched (`hits`).

    Obligations: the clearance to honour on read, and in what form (`redact`: data class, treatment) the rest is shown.
    `revision` is the pack's.
    """

    allow: bool
    reason: str
    rule: str
    step_up: bool = False
    clearance: Clearance | None = None
    hits: tuple[str, ...] = ()
    redact: tuple[tuple[str, str], ...] = ()
    revision: str = ""

    @property
    def outcome(self) -> "Outcome":
        """The decision in a word."""
        return Outcome.ALLOW if self.allow else Outcome.STEP_UP if self.step_up else Outcome.DENY


class Outcome(StrEnum):
    """What came of a question to policy."""

    ALLOW = "allow"
    DENY = "deny"
    STEP_UP = "step_up"


class Stage(StrEnum):
    """Which question was asked."""

    ACCESS = "access"  # may this caller do this action
    SESSION = "session"  # may this session go on


class Risk(StrEnum):
    """What zero trust thinks of a session."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on a session: it may go on, must step up first, or is refused; `signal` says what decided, `mend`
    what the person can do about it, `hits` every signal that speaks against it."""

    allow: bool
    step_up: bool
    signal: str
    reason: str
    mend: str = ""
    hits: tuple[str, ...] = ()
    revision: str = ""

    @property
    def outcome(self) -> Outcome:
        """The verdict in a word."""
        return Outcome.ALLOW if self.allow else Outcome.STEP_UP if self.step_up else Outcome.DENY


@dataclass(frozen=True, slots=True)
class DecisionInfo:
    """An entry of the log of decisions. `facts` is what the rules saw, `redact` in what form data that the caller is not
    cleared for is shown, `share` the part of such decisions that is logged."""

    id: UUID
    at: datetime
    stage: str
    action: str
    outcome: str
    rule: str
    reason: str
    hits: tuple[str, ...]
    facts: Mapping[str, Any]
    redact: Mapping[str, str]
    actor: str
    purpose: str
    request_id: str
    revision: str
    share: float


class SignalKind(StrEnum):
    """What an identity provider's event, or our own finding, is about."""

    RISK = "risk"  # value: a Risk
    DEVICE = "device"  # value: trusted or untrusted
    ACCOUNT = "account"  # value: open or disabled
    SESSION = "session"  # value: ended; sessions begun before count no more
    FACTOR = "factor"  # value: confirm; a second factor given before counts no more
    PLACE = "place"  # our own finding of a token holder, who can confirm nothing; told, and part of no posture


@dataclass(frozen=True, slots=True)
class Posture:
    """What identity providers' latest events say of one person or token holder."""

    risk: str = Risk.LOW.value
    device: str = "unknown"
    account: str = "open"
    ended_at: datetime | None = None
    confirm_since: datetime | None = None
    confirm_why: str = ""


@dataclass(frozen=True, slots=True)
class FenceInfo:
    """A tenant's fence: ISO 3166-1 alpha-2 countries, none for no fence. `version` is 0 before the first change."""

    countries: frozenset[str] = frozenset()
    version: int = 0
