"""An entity as its reader may see it: what policy lets through, in the forms that pages draw. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.graph.types import EdgeRow, EntityRow
from apps.policy.selectors import shown_properties, shown_text, visibility
from apps.policy.types import Clearance, Tags, Treatment, Visibility
from apps.portal import prose
from apps.portal.types import FieldChange, Withheld

LONG = 140
ASK = "Ask an owner or the data protection officer of this tenant for the role or purpose that you need."
TAGS = ("dataClass", "retentionTier", "redactionPolicy", "purposes", "licence", "source")


@dataclass(frozen=True, slots=True)
class Property:
    """A property in the form that suits its value.

    `shape` is text, prose, link, list, flag, data (JSON) or hidden.
    """

    name: str
    shape: str
    text: str = ""
    items: tuple[str, ...] = ()
    paragraphs: tuple[tuple[prose.Part, ...], ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reader sees of an entity."""

    row: EntityRow
    visibility: Visibility
    name: str
    external_id: str
    properties: tuple[Property, ...]

    @property
    def clear(self) -> bool:
        """True when nothing is held back."""
        return self.visibility.treatment is Treatment.CLEAR

    @property
    def withheld(self) -> bool:
        """True when the reader may know only that it exists."""
        return self.visibility.treatment is Treatment.WITHHOLD

    @property
    def about(self) -> tuple[Property, ...]:
        """The longer texts."""
        return tuple(one for one in self.properties if one.shape == "prose")

    @property
    def facts(self) -> tuple[Property, ...]:
        """Everything else."""
        return tuple(one for one in self.properties if one.shape != "prose")

    @property
    def mark(self) -> Withheld | None:
        """The mark of what is held back, None when nothing is."""
        if self.clear:
            return None
        names = tuple(sorted(self.row.properties))
        return Withheld(
            len(names) + 2, self.visibility.reason, ("name", "externalId", *names) if not self.withheld else (), ASK
        )


def tags_of(row: EntityRow | EdgeRow) -> Tags:
    """Return what the row says of itself to policy."""
    return Tags.of(row.data_class, row.redaction_policy, row.purposes)


def entity(row: EntityRow, clearance: Clearance, salt: bytes) -> Shown:
    """Return the entity as a reader of this clearance sees it. `salt` keeps hashes of tenants apart."""
    seen = visibility(tags_of(row), clearance)
    if seen.treatment is Treatment.WITHHOLD:
        return Shown(row, seen, "Withheld", "", ())
    external_id = shown_text(row.external_id, seen.treatment, salt) or ""
    name = shown_text(row.name, seen.treatment, salt) or external_id
    values = shown_properties(row.properties, seen.treatment, salt)
    if seen.treatment is not Treatment.CLEAR:
        return Shown(
            row, seen, name, external_id, tuple(Property(key, "hidden", str(values[key])) for key in sorted(values))
        )
    return Shown(
        row, seen, name, external_id, tuple(sorted((draw(key, value) for key, value in values.items()), key=_order))
    )


def _order(one: Property) -> tuple[int, str]:
    return ({"prose": 0, "text": 1, "link": 1, "flag": 2, "list": 1}.get(one.shape, 3), one.name)


def draw(name: str, value: Any) -> Property:
    """Return a property in the form that suits its value."""
    if isinstance(value, bool):
        return Property(name, "flag", "yes" if value else "no")
    if value is None:
        return Property(name, "text", "null")
    if isinstance(value, str):
        if value.startswith(("https://", "http://")) and not any(c.isspace() for c in value):
            return Property(name, "link", value)
        if len(value) > LONG or "\n" in value:
            return Property(name, "prose", value, paragraphs=prose.paragraphs(value))
        return Property(name, "text", value)
    if isinstance(value, int | float):
        return Property(name, "text", str(value))
    if isinstance(value, list) and all(
        isinstance(part, str | int | float) and len(str(part)) <= LONG for part in value
    ):
        return Property(name, "list", items=tuple(str(part) for part in value), count=len(value))
    return Property(name, "data", as_json(value), count=len(value))


def as_json(value: Any) -> str:
    """Return a value as people read and edit JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def plain(value: Any) -> str:
    """Return a value in one line, for comparing before and after."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, *, hidden: bool
) -> tuple[FieldChange, ...]:
    """Return the fields that differ between two documents of an entity, in the API's names.

    `hidden` says that values are withheld from the reader: then only the names of changed fields are told.
    """
    old, new = _flat(before), _flat(after)
    found = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            continue
        if hidden and name not in TAGS:
            found.append(FieldChange(name, None, None, withheld=True))
        else:
            found.append(FieldChange(name, old.get(name), new.get(name)))
    return tuple(found)


def _flat(document: Mapping[str, Any] | None) -> dict[str, str]:
    if not document:
        return {}
    flat = {f"properties.{key}": plain(value) for key, value in (document.get("properties") or {}).items()}
    if document.get("name"):
        flat["name"] = str(document["name"])
    for tag in TAGS:
        value = document.get(tag)
        if value:
            flat[tag] = ", ".join(value) if isinstance(value, list) else str(value)
    return flat
