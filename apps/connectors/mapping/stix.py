"""STIX objects as entities and edges (STIX 2.0 and 2.1, OASIS).

- Every object but a relationship is an entity: kind from its type (`attack-pattern` is AttackPattern, the `x-` of a
  custom type is dropped), external id = STIX id, all other fields as properties, revoked and deprecated ones too.
- A relationship is an edge of its `relationship_type`. Its ends' kinds follow from their ids, so an edge can be made
  before its ends are seen.
- Other references (`…_ref`, `…_refs`) are edges too, named after the field, except those in `skipRefs`. They may point
  outside the bundle: such a reference stays a property.
- TLP markings (well-known ids of TLP 1 and 2) become the data class; the strictest one wins.
"""

import re
from typing import Any

from apps.connectors.mapping.compiler import Mapped, Tags
from apps.connectors.types import Block, RowError
from apps.graph.types import DataClass, EdgeInput, EntityInput

DEFAULT_SKIPPED_REFS = ("created_by_ref", "object_marking_refs", "x_mitre_modified_by_ref")
"""References that nearly every object of a feed shares: as edges they would tie all to all in two hops."""

TLP = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": DataClass.PUBLIC,  # TLP 1 white
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": DataClass.PUBLIC,  # TLP 2 clear
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": DataClass.INTERNAL,  # TLP 1 green
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": DataClass.INTERNAL,  # TLP 2 green
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": DataClass.CONFIDENTIAL,  # TLP 1 amber
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": DataClass.CONFIDENTIAL,  # TLP 2 amber
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": DataClass.CONFIDENTIAL,  # TLP 2 amber+strict
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": DataClass.SENSITIVE,  # TLP 1 red
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": DataClass.SENSITIVE,  # TLP 2 red
}
_STRICTNESS = {
    DataClass.PUBLIC: 0,
    DataClass.INTERNAL: 1,
    DataClass.CONFIDENTIAL: 2,
    DataClass.PERSONAL: 3,
    DataClass.SENSITIVE: 4,
}
_PERSONAL_TYPES = frozenset({"email-addr", "user-account"})
_NAME_FIELDS = ("name", "value", "display_name", "subject", "key", "path", "account_login", "user_id", "abstract")
_EDGE_NAMES = {
    "created_by_ref": "created-by",
    "object_marking_refs": "marked-with",
    "object_refs": "refers-to",
    "sighting_of_ref": "sighting-of",
    "where_sighted_refs": "sighted-by",
    "observed_data_refs": "seen-in",
    "sample_refs": "sample",
    "object_ref": "refers-to",
}
_ID = re.compile(r"([a-z0-9][a-z0-9-]{0,249})--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NO_NODES = frozenset({"relationship", "bundle"})
_OWN_FIELDS = frozenset({"type", "id", "name"})
_EDGE_FIELDS = frozenset({"type", "id", "source_ref", "target_ref", "relationship_type"})
_EDGE_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")


def kind_of(stix_type: str) -> str:
    """Return the kind of a STIX type: `attack-pattern` is AttackPattern, `x-mitre-tactic` is MitreTactic."""
    parts = stix_type.removeprefix("x-").split("-")
    return "".join(part[:1].upper() + part[1:] for part in parts if part)


def edge_kind_of(field: str) -> str:
    """Return the edge kind of a field: `host_vm_ref` is host-vm, `x_mitre_analytic_refs` is mitre-analytic."""
    stem = field.removesuffix("s").removesuffix("_ref").removeprefix("x_")
    return _EDGE_NAMES.get(field) or stem.replace("_", "-")


class StixMapper:
    """Runs a mapping of format stix."""

    has_entities = True
    has_edges = True

    def __init__(self, document: dict[str, Any]) -> None:
        own = document.get("stix", {})
        self._kinds: dict[str, str] = dict(own.get("kinds", {}))
        self._skip_refs = frozenset(own.get("skipRefs", DEFAULT_SKIPPED_REFS))
        self._skip_types = frozenset(own.get("skipTypes", ()))
        self.acyclic_kinds = frozenset(own.get("acyclic", ()))
        self._default = Tags.of(document, {})
        self._publishers = {identity: Tags.of(document, tags) for identity, tags in own.get("publishers", {}).items()}
        self._types: dict[str, str] = {}

    def entities(self, block: Block) -> Mapped:
        """Return the entities of a block: every object that is no relationship."""
        mapped = Mapped()
        for number, item in zip(block.numbers, block.rows, strict=True):
            wrong = _flaw(number, item)
            if wrong is not None:
                mapped.errors.append(wrong)
            elif item["type"] != "relationship" and item["type"] not in self._skip_types:
                mapped.inputs.append(self._entity(item))
                mapped.rows.append(number)
        mapped.parts = ["stix"] * len(mapped.inputs)
        mapped.soft = [False] * len(mapped.inputs)
        return mapped

    def edges(self, block: Block) -> Mapped:
        """Return the edges of a block: relationships, and references of other objects."""
        mapped = Mapped()
        for number, item in zip(block.numbers, block.rows, strict=True):
            if _flaw(number, item) is not None:
                mapped.elsewhere.add(number)  # told when the entities were read
            elif item["type"] == "relationship":
                self._relationship(number, item, mapped)
            elif item["type"] not in self._skip_types:
                mapped.elsewhere.add(number)
                self._references(number, item, mapped)
        return mapped

    def _kind(self, stix_type: str) -> str:
        kind = self._types.get(stix_type)
        if kind is None:
            kind = self._types[stix_type] = self._kinds.get(stix_type) or kind_of(stix_type)
            if len(self._types) > 10_000:  # a hostile bundle with a new type per object must not grow this
                self._types.clear()
        return kind

    def _tags(self, item: dict[str, Any]) -> Tags:
        markings = item.get("object_marking_refs")
        for identity in (item.get("created_by_ref"), item["id"], *(markings if isinstance(markings, list) else ())):
            tags = self._publishers.get(identity) if isinstance(identity, str) else None
            if tags is not None:
                return tags
        return self._default

    def _data_class(self, item: dict[str, Any], tags: Tags) -> str | None:
        markings = item.get("object_marking_refs")
        found = tags.data_class
        if isinstance(markings, list):
            levels = [TLP[marking] for marking in markings if isinstance(marking, str) and marking in TLP]
            if levels:
                found = max(levels, key=lambda level: _STRICTNESS[level]).value
        personal = item["type"] in _PERSONAL_TYPES or (
            item["type"] == "identity" and item.get("identity_class") == "individual"
        )
        if personal and _STRICTNESS.get(DataClass(found or "internal"), 0) < _STRICTNESS[DataClass.PERSONAL]:
            return DataClass.PERSONAL.value
        return found

    def _entity(self, item: dict[str, Any]) -> EntityInput:
        tags = self._tags(item)
        data_class = self._data_class(item, tags)
        personal = data_class == "personal"
        return EntityInput(
            self._kind(item["type"]),
            item["id"],
            _name(item),
            {key: value for key, value in item.items() if key not in _OWN_FIELDS},
            data_class,
            tags.retention_tier,
            tags.redaction_policy,
            tags.purposes,
            tags.licence,
            tags.source,
            _subjects(item) if personal else None,
        )

    def _relationship(self, number: int, item: dict[str, Any], mapped: Mapped) -> None:
        kind = item.get("relationship_type")
        if not isinstance(kind, str) or not _EDGE_KIND.fullmatch(kind):
            mapped.errors.append(
                RowError(
                    number,
                    "MISSING_FIELD",
                    f"{item['id']} has no sound relationship_type",
                    "Name the kind of the relationship.",
                    column="relationship_type",
                    part="stix",
                )
            )
            return
        ends: list[str] = []
        for field in ("source_ref", "target_ref"):
            found = _ID.fullmatch(item[field]) if isinstance(item.get(field), str) else None
            if found is None:
                mapped.errors.append(
                    RowError(
                        number,
                        "INVALID_REFERENCE",
                        f"{item['id']} has no sound {field}",
                        "Give the STIX id of an object.",
                        column=field,
                        part="stix",
                    )
                )
                return
            if found[1] in _NO_NODES:
                mapped.errors.append(
                    RowError(
                        number,
                        "EDGE_TO_EDGE",
                        f"{field} of {item['id']} is a relationship itself",
                        "Relate the objects that it joins.",
                        column=field,
                        part="stix",
                    )
                )
                return
            ends.append(self._kind(found[1]))
        tags = self._tags(item)
        mapped.inputs.append(
            EdgeInput(
                kind,
                item["id"],
                {key: value for key, value in item.items() if key not in _EDGE_FIELDS},
                None,
                ends[0],
                item["source_ref"],
                None,
                ends[1],
                item["target_ref"],
                self._data_class(item, tags),
                tags.retention_tier,
                tags.redaction_policy,
                tags.purposes,
                tags.licence,
                tags.source,
            )
        )
        mapped.rows.append(number)
        mapped.parts.append("stix")
        mapped.soft.append(False)

    def _references(self, number: int, item: dict[str, Any], mapped: Mapped) -> None:
        tags: Tags | None = None
        for field, value in item.items():
            if not field.endswith(("_ref", "_refs")) or field in self._skip_refs:
                continue
            targets = value if isinstance(value, list) else [value]
            for target in dict.fromkeys(target for target in targets if isinstance(target, str)):
                found = _ID.fullmatch(target)
                if found is None or found[1] in _NO_NODES:
                    continue
                if tags is None:
                    tags = self._tags(item)
                mapped.inputs.append(
                    EdgeInput(
                        edge_kind_of(field),
                        "",
                        {"field": field},
                        None,
                        self._kind(item["type"]),
                        item["id"],
                        None,
                        self._kind(found[1]),
                        target,
                        self._data_class(item, tags),
                        tags.retention_tier,
                        tags.redaction_policy,
                        tags.purposes,
                        tags.licence,
                        tags.source,
                    )
                )
                mapped.rows.append(number)
                mapped.parts.append(f"stix.{field}"[:80])
                mapped.soft.append(True)


def _flaw(number: int, item: dict[str, Any]) -> RowError | None:
    kind, identity = item.get("type"), item.get("id")
    if not isinstance(kind, str) or not kind:
        return RowError(
            number,
            "MISSING_FIELD",
            "the object has no type",
            "Every STIX object has a type and an id.",
            column="type",
            part="stix",
        )
    found = _ID.fullmatch(identity) if isinstance(identity, str) else None
    if found is None:
        return RowError(
            number,
            "INVALID_ID",
            f"the id {str(identity)[:60]!r} is not `type--UUID`",
            "Give the object a STIX id.",
            column="id",
            part="stix",
        )
    if found[1] != kind:
        return RowError(
            number,
            "INVALID_ID",
            f"the id {identity!r} does not fit the type {kind[:60]!r}",
            "Start the id with the type.",
            column="id",
            part="stix",
        )
    if not str(item.get("spec_version", "2.")).startswith("2."):
        return RowError(
            number,
            "UNSUPPORTED_VERSION",
            f"the object says STIX {str(item['spec_version'])[:20]}",
            "Send STIX 2.0 or 2.1.",
            column="spec_version",
            part="stix",
        )
    return None


def _name(item: dict[str, Any]) -> str:
    if item["type"] == "marking-definition" and "name" not in item:
        definition = item.get("definition")
        if isinstance(definition, dict):
            for key, prefix in (("tlp", "TLP:"), ("statement", "")):
                if isinstance(definition.get(key), str):
                    return (prefix + definition[key].upper() if prefix else definition[key])[:200]
    for field in _NAME_FIELDS:
        value = item.get(field)
        if isinstance(value, str) and value.strip():
            return value[:500]
    return str(item["id"])


def _subjects(item: dict[str, Any]) -> tuple[str, ...]:
    value = item.get("value") if item["type"] == "email-addr" else item.get("account_login")
    return (item["id"], value.lower()) if isinstance(value, str) and value else (item["id"],)
