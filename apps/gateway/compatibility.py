"""What a change of the schema does to clients: breaking, dangerous or safe, and whether its deprecation window allows it.

graphql-core compares; here a removal is held against its announcement. A field, argument, input field or enum value says
in its deprecation reason when it goes: `@deprecated(reason: "Use x. Sunset: 2027-06-01")`. From that day on, and when it
was announced at least WINDOW_DAYS before, it may be removed. Pure: no Django.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    find_breaking_changes,
    find_dangerous_changes,
)

WINDOW_DAYS = 180
"""Least number of days between the announcement of a removal and its sunset."""
_SUNSET = re.compile(r"\bsunset:\s*(\d{4}-\d{2}-\d{2})\b", re.IGNORECASE)
_SINCE = re.compile(r"\bsince:\s*(\d{4}-\d{2}-\d{2})\b", re.IGNORECASE)
_REMOVALS = frozenset({"FIELD_REMOVED", "ARG_REMOVED", "VALUE_REMOVED_FROM_ENUM"})


class Severity(StrEnum):
    """What a change does to clients."""

    BREAKING = "breaking"  # a document that ran may be refused
    DANGEROUS = "dangerous"  # it still runs, but may be answered with what its client has not met
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a deprecation reason says: since when, and the day from which the thing may be gone (None: not said)."""

    reason: str
    since: date | None
    sunset: date | None


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `allowed` is True for a breaking one whose announced day has come; `why` says it in words."""

    severity: Severity
    kind: str
    description: str
    allowed: bool = True
    why: str = ""

    def as_document(self) -> dict[str, str | bool]:
        """Return it as JSON writes it."""
        return {
            "severity": self.severity.value,
            "kind": self.kind,
            "description": self.description,
            "allowed": self.allowed,
            "why": self.why,
        }


def _day(found: re.Match[str] | None) -> date | None:
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def announcement(reason: str | None) -> Announcement | None:
    """Return what a deprecation reason announces, or None where nothing is deprecated."""
    if reason is None:
        return None
    return Announcement(reason, _day(_SINCE.search(reason)), _day(_SUNSET.search(reason)))


def deprecations(schema: GraphQLSchema) -> dict[str, Announcement]:
    """Return {place: announcement} of all that is deprecated; a place is `Type.field` or `Type.field(argument)`."""
    found: dict[str, Announcement] = {}

    def note(place: str, reason: str | None) -> None:
        said = announcement(reason)
        if said is not None:
            found[place] = said

    for name, type_ in schema.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in type_.fields.items():
                note(f"{name}.{field_name}", field.deprecation_reason)
                for argument_name, argument in field.args.items():
                    note(f"{name}.{field_name}({argument_name})", argument.deprecation_reason)
        elif isinstance(type_, GraphQLInputObjectType):
            for field_name, input_field in type_.fields.items():
                note(f"{name}.{field_name}", input_field.deprecation_reason)
        elif isinstance(type_, GraphQLEnumType):
            for value_name, value in type_.values.items():
                note(f"{name}.{value_name}", value.deprecation_reason)
    return found


def _removed_place(kind: str, description: str) -> str | None:
    """Return the place that graphql-core's description of a removal names."""
    if kind not in _REMOVALS:
        return None
    if kind == "VALUE_REMOVED_FROM_ENUM":
        found = re.match(r"(\w+) was removed from enum type (\w+)\.", description)
        return f"{found[2]}.{found[1]}" if found else None
    if kind == "ARG_REMOVED":
        found = re.match(r"(\w+\.\w+) arg (\w+) was removed\.", description)
        return f"{found[1]}({found[2]})" if found else None
    found = re.match(r"(\w+\.\w+) was removed\.", description)
    return found[1] if found else None


def _judged(kind: str, description: str, announced: dict[str, Announcement], today: date) -> Change:
    place = _removed_place(kind, description)
    said = announced.get(place) if place else None
    if place is None:
        why = "no window allows this change: add beside what there is, and deprecate it"
    elif said is None:
        why = f"{place} was not deprecated"
    elif said.sunset is None:
        why = f"the deprecation of {place} names no day (Sunset: YYYY-MM-DD)"
    elif said.since is not None and (said.sunset - said.since).days < WINDOW_DAYS:
        why = f"{place} was announced only {(said.sunset - said.since).days} days before its sunset; {WINDOW_DAYS} are due"
    elif today < said.sunset:
        why = f"{place} may be removed from {said.sunset} on"
    else:
        return Change(Severity.BREAKING, kind, description, True, f"{place} was announced to go on {said.sunset}")
    return Change(Severity.BREAKING, kind, description, False, why)


def compare(old: GraphQLSchema, new: GraphQLSchema, today: date) -> list[Change]:
    """Return the breaking and dangerous changes from `old` to `new`, breaking ones first, by description."""
    announced = deprecations(old)
    breaking = [
        _judged(change.type.name, change.description, announced, today) for change in find_breaking_changes(old, new)
    ]
    dangerous = [
        Change(Severity.DANGEROUS, change.type.name, change.description) for change in find_dangerous_changes(old, new)
    ]
    return sorted(breaking, key=lambda c: c.description) + sorted(dangerous, key=lambda c: c.description)


def unannounced(schema: GraphQLSchema) -> list[str]:
    """Return what is wrong with the deprecations of a schema: each needs the days since when and from when on."""
    return [
        f"{place}: the deprecation reason needs 'Since: YYYY-MM-DD' and 'Sunset: YYYY-MM-DD', {WINDOW_DAYS} days apart"
        for place, said in deprecations(schema).items()
        if said.since is None or said.sunset is None or (said.sunset - said.since).days < WINDOW_DAYS
    ]


def refused(changes: Sequence[Change]) -> list[Change]:
    """Return the changes for which a gate stays shut."""
    return [change for change in changes if not change.allowed]
