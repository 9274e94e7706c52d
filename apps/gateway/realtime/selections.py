"""Compiled selections: what is written of a change, without resolvers.

Most subscriptions ask for plain fields of an entity, an edge or the change itself. Such a selection is compiled once per
shape, to the fields that are picked from each change's document. What it writes is what resolvers would write; a selection
that needs one (relations, history) is not compiled.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from graphql import ExecutionContext, FieldNode, GraphQLNonNull, GraphQLObjectType, get_named_type
from graphql.execution.collect_fields import collect_fields, collect_sub_fields

from apps.gateway.realtime.wire import Change
from apps.gateway.shown import Viewer
from apps.policy.selectors import shown_properties, shown_text, visibility
from apps.policy.types import Tags, Treatment

Shown = Mapping[str, Any] | None
Pick = Callable[[Mapping[str, Any]], dict[str, Any]]
Write = Callable[[Change, Viewer], dict[str, Any]]

_NODE = (
    *("id", "kind", "externalId", "properties", "dataClass", "retentionTier", "redactionPolicy", "purposes"),
    *("licence", "version", "updatedAt"),
)
_SEEN: dict[str, Any] = {"withheld": [], "withheldReason": None}
# Per type: the fields that are in a document, and what the others are when nothing is withheld.
_PLAIN: dict[str, frozenset[str]] = {
    "Entity": frozenset({*_NODE, "name", "source", "region"}),
    "Asset": frozenset({*_NODE, "name", "source", "region"}),
    "Edge": frozenset({*_NODE, "source", "target", "origin"}),
    "Change": frozenset({"eventId", "publishedAt", "refKind", "id", "op", "kind", "version"}),
}
_ADDED: dict[str, frozenset[str]] = {
    "Entity": frozenset({*_SEEN, "eventId", "publishedAt", "createdAt", "__typename"}),
    "Asset": frozenset({*_SEEN, "eventId", "publishedAt", "createdAt", "__typename"}),
    "Edge": frozenset({*_SEEN, "__typename"}),
    "Change": frozenset({"__typename", "entity", "edge"}),
}
_CHANGED = {"Entity": ("name", "externalId"), "Asset": ("name", "externalId"), "Edge": ("externalId",)}


class _TooRich(Exception):
    """The selection needs resolvers."""


class _Object:
    """What is written of one object of a type: values picked from a map that has them by field name."""

    def __init__(self, type_: GraphQLObjectType, fields: Mapping[str, list[FieldNode]]) -> None:
        self.type = type_.name
        names = [nodes[0].name.value for nodes in fields.values()]
        if not set(names) <= _PLAIN[self.type] | _ADDED[self.type]:
            raise _TooRich
        self.responses = tuple(fields)
        self.added = not set(names) <= _PLAIN[self.type]
        self.required = tuple(
            response
            for response, name in zip(self.responses, names, strict=True)
            if name != "__typename" and isinstance(type_.fields[name].type, GraphQLNonNull)
        )
        get = itemgetter(*names)
        self._values: Callable[[Mapping[str, Any]], tuple[Any, ...]] = get if len(names) > 1 else lambda of: (get(of),)

    def write(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object. Raises LookupError where a value that must be there is not: resolvers say what is wrong."""
        made = dict(zip(self.responses, self._values(values), strict=True))
        if None in made.values() and any(made[response] is None for response in self.required):
            raise LookupError("a value is missing")
        return made

    def document(self, change: Change, viewer: Viewer) -> dict[str, Any] | None:
        """Return the document of a change as its reader may see it, or None when it is withheld."""
        document: Mapping[str, Any] = change.document or {}
        tags = Tags(document["dataClass"], document["redactionPolicy"], tuple(document["purposes"]))
        seen = visibility(tags, viewer.clearance)
        if seen.treatment is Treatment.WITHHOLD:
            return None
        clear = seen.treatment is Treatment.CLEAR
        if clear and not self.added:
            return self.write(document)
        values = {
            **document,
            **_SEEN,
            "__typename": self.type,
            "createdAt": None,
            "eventId": change.event_id,
            "publishedAt": change.published_at,
        }
        if not clear:
            changed = _CHANGED[self.type]
            for name in changed:
                values[name] = shown_text(document[name], seen.treatment, viewer.salt)
            values["properties"] = shown_properties(document["properties"], seen.treatment, viewer.salt)
            values["withheld"], values["withheldReason"] = [*changed, "properties"], seen.reason
        return self.write(values)


def _below(context: ExecutionContext, parent: GraphQLObjectType, nodes: list[FieldNode]) -> _Object:
    type_ = get_named_type(parent.fields[nodes[0].name.value].type)
    if not isinstance(type_, GraphQLObjectType) or type_.name not in _PLAIN:
        raise _TooRich
    fields = collect_sub_fields(context.schema, context.fragments, context.variable_values, type_, nodes)
    return _Object(type_, fields)


def _compiled(context: ExecutionContext) -> Write:
    root = context.schema.subscription_type
    if root is None:
        raise _TooRich
    selected = context.operation.selection_set
    fields = collect_fields(context.schema, context.fragments, context.variable_values, root, selected)
    if len(fields) != 1:
        raise _TooRich
    [(response, nodes)] = fields.items()
    field = nodes[0].name.value
    if field == "assetUpdated":
        asset = _below(context, root, nodes)

        def write_asset(change: Change, viewer: Viewer) -> dict[str, Any]:
            if change.document is None or change.ref_kind != "entity":
                return {response: None}
            return {response: asset.document(change, viewer)}

        return write_asset
    if field != "changes":
        raise _TooRich
    whole = _below(context, root, nodes)
    type_ = context.schema.get_type("Change")
    if not isinstance(type_, GraphQLObjectType):
        raise _TooRich
    inner = collect_sub_fields(context.schema, context.fragments, context.variable_values, type_, nodes)
    below = {name: _below(context, type_, found) for name, found in inner.items() if _is_object(found)}
    kinds = {name: found[0].name.value for name, found in inner.items() if name in below}

    def write_change(change: Change, viewer: Viewer) -> dict[str, Any]:
        made = whole.write(
            {
                "eventId": change.event_id,
                "publishedAt": change.published_at,
                "refKind": change.ref_kind,
                "id": change.ref_id,
                "op": change.op,
                "kind": change.kind,
                "version": change.version,
                "entity": None,
                "edge": None,
                "__typename": "Change",
            }
        )
        if change.document is not None:
            for name, object_ in below.items():
                if change.ref_kind == kinds[name]:
                    made[name] = object_.document(change, viewer)
        return {response: made}

    return write_change


def _is_object(nodes: list[FieldNode]) -> bool:
    return nodes[0].name.value in {"entity", "edge"}


def compiled(context: ExecutionContext) -> Write | None:
    """Return what writes a subscription's data for a change and a reader, or None when it needs resolvers.

    What it returns raises LookupError for a change that resolvers must look at.
    """
    try:
        return _compiled(context)
    except _TooRich:
        return None
