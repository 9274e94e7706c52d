"""What an operation uses that is deprecated, and the headers that say so. Pure.

`x-ig-deprecations` names each place with the day from which it may be gone; `Deprecation` (RFC 9745) is the day since
when the oldest of them is deprecated, `Sunset` (RFC 8594) the day on which the first may be gone.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    EnumValueNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLSchema,
    ObjectFieldNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    visit,
)

from apps.gateway.compatibility import Announcement, announcement, deprecations

MOST = 20
"""Places that the header names; there may be more."""
LINK = '</developers/changelog/>; rel="deprecation"; type="text/html"'


class _Finder(Visitor):
    """Collects deprecated fields, arguments, input fields and enum values that a document names."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.found: dict[str, Announcement] = {}

    def _note(self, place: str, reason: str | None) -> None:
        said = announcement(reason)
        if said is not None:
            self.found[place] = said

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Note the field and those of its arguments that are given."""
        parent, field = self.info.get_parent_type(), self.info.get_field_def()
        if parent is None or field is None:
            return
        place = f"{parent.name}.{node.name.value}"
        self._note(place, field.deprecation_reason)
        for argument in node.arguments:
            known = field.args.get(argument.name.value)
            if known is not None:
                self._note(f"{place}({argument.name.value})", known.deprecation_reason)

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        """Note a field of an input object that is written out in the document."""
        type_ = get_named_type(self.info.get_parent_input_type())
        if isinstance(type_, GraphQLInputObjectType) and node.name.value in type_.fields:
            self._note(f"{type_.name}.{node.name.value}", type_.fields[node.name.value].deprecation_reason)

    def enter_enum_value(self, node: EnumValueNode, *_: Any) -> None:
        """Note an enum's value that is written out in the document."""
        type_ = get_named_type(self.info.get_input_type())
        if isinstance(type_, GraphQLEnumType) and node.value in type_.values:
            self._note(f"{type_.name}.{node.value}", type_.values[node.value].deprecation_reason)


@lru_cache(maxsize=8)
def _anything(schema: GraphQLSchema) -> bool:
    return bool(deprecations(schema))


def used(schema: GraphQLSchema, document: DocumentNode) -> dict[str, Announcement]:
    """Return what of the deprecated a valid document names, by place (`Type.field`, `Type.field(argument)`).

    What stands in variables only is not seen: those change from request to request.
    """
    if not _anything(schema):
        return {}
    info = TypeInfo(schema)
    finder = _Finder(info)
    visit(document, TypeInfoVisitor(info, finder))
    return finder.found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def headers(found: Mapping[str, Announcement]) -> dict[str, str]:
    """Return the headers that announce the end of what is used; none where nothing is."""
    if not found:
        return {}
    places = sorted(found)[:MOST]
    told = ", ".join(f"{place}; sunset={found[place].sunset or 'unknown'}" for place in places)
    answer = {"x-ig-deprecations": told, "Link": LINK}
    begun = [said.since for said in found.values() if said.since is not None]
    ends = [said.sunset for said in found.values() if said.sunset is not None]
    if begun:
        answer["Deprecation"] = f"@{int(_midnight(min(begun)).timestamp())}"
    if ends:
        answer["Sunset"] = format_datetime(_midnight(min(ends)), usegmt=True)
    return answer
