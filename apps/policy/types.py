"""Words of policy."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


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
    """Whether a caller may do something: the rule that decided, in words, and the clearance to honour on read."""

    allow: bool
    reason: str
    rule: str
    step_up: bool = False
    clearance: Clearance | None = None


class Risk(StrEnum):
    """What zero trust thinks of a session."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict on a session: it may go on, must step up first, or is refused; `signal` says what decided."""

    allow: bool
    step_up: bool
    signal: str
    reason: str
