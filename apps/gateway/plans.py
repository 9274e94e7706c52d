"""Compiled operations: queries of one entity or a list of them, read and written without resolvers.

Most requests are a few documents sent over and over. A document that asks for plain fields of entities is compiled once:
to the columns that it needs and the names that its answer has. Running it is one query and one pass over its rows.
The answer is the one that resolvers give; whatever is out of the ordinary (a refusal, an argument that is cut or
means nothing) is left to them: `run` then returns None and nothing has happened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    VariableNode,
)
from graphql.execution.values import get_argument_values, get_variable_values

from apps.core.errors import IgError
from apps.core.ids import parse_id
from apps.gateway.call import Call
from apps.gateway.shown import ASSET
from apps.gateway.versions import API_VERSION
from apps.graph import selectors as graph
from apps.graph.types import MAX_PAGE
from apps.policy import services as policy
from apps.policy.selectors import shown_properties, shown_text, visibility
from apps.policy.types import Tags, Treatment

Row = Sequence[Any]

COLUMNS: dict[str, str] = {
    "id": "id",
    "kind": "kind",
    "externalId": "external_id",
    "name": "name",
    "properties": "properties",
    "dataClass": "data_class",
    "retentionTier": "retention_tier",
    "redactionPolicy": "redaction_policy",
    "purposes": "purposes",
    "licence": "licence",
    "source": "source",
    "region": "region",
    "version": "version",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
}
_JSON = frozenset({"properties", "purposes"})
_WITHHELD = ("name", "externalId", "properties")
_NEVER_READ: dict[str, Any] = {"eventId": None, "publishedAt": None}
_ROOTS = frozenset({"entity", "asset", "entities", "apiVersion"})
_PAGE_INFO = frozenset({"hasNextPage", "hasPreviousPage", "startCursor", "endCursor", "__typename"})


class _TooRich(Exception):
    """The operation needs resolvers."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is written of an entity: the columns to read, and how a row becomes an object.

    `plain` holds the response names when the columns are the answer as they come; else `parts` holds, per response
    name, the place of its column, or the constant it is.
    """

    columns: tuple[str, ...]
    plain: tuple[str, ...] | None
    parts: tuple[tuple[str, str, int, Any], ...]  # response name, field, place (-1: constant), constant

    def shown(self, row: Row, call: Call) -> dict[str, Any] | None:
        """Return a row as its reader may see it, or None when it is withheld."""
        data_class, redaction, purposes = row[-5:-2]
        clearance = call.viewer.clearance
        if purposes is None and data_class in clearance.data_classes:
            if self.plain is not None:
                return dict(zip(self.plain, row, strict=False))
            return self._object(row, Treatment.CLEAR, "", b"")
        seen = visibility(Tags.of(data_class, redaction, purposes), clearance)
        if seen.treatment is Treatment.WITHHOLD:
            return None
        return self._object(row, seen.treatment, seen.reason, call.viewer.salt)

    def _object(self, row: Row, treatment: Treatment, reason: str, salt: bytes) -> dict[str, Any]:
        clear = treatment is Treatment.CLEAR
        made: dict[str, Any] = {}
        for name, field, place, constant in self.parts:
            if field == "withheld":
                made[name] = [] if clear else list(_WITHHELD)
            elif field == "withheldReason":
                made[name] = None if clear else reason
            elif place < 0:
                made[name] = constant
            elif field in _JSON:
                made[name] = orjson.Fragment(row[place])
                if field == "properties" and not clear:
                    made[name] = shown_properties(orjson.loads(row[place]), treatment, salt)
            elif field in _WITHHELD and not clear:
                made[name] = shown_text(row[place], treatment, salt)
            else:
                made[name] = row[place]
        return made


@dataclass(frozen=True, slots=True)
class Root:
    """One field of the query: what runs it, and what of its result is written."""

    response: str
    definition: GraphQLField
    node: FieldNode
    run: Callable[["Root", dict[str, Any], Call], Any]
    action: str
    by_variable: tuple[tuple[str, str], ...] | None = None
    entity: Selection | None = None
    parts: tuple[tuple[str, str, Any], ...] = ()  # of a page: response name, field, what is selected on it
    counts: bool = False


class _Leave(Exception):
    """These arguments are for the resolvers."""


def _one(root: Root, arguments: dict[str, Any], call: Call) -> Any:
    id_ = parse_id(arguments["id"])
    if id_ is None or root.entity is None:
        raise _Leave
    row = graph.entity_values(call.ctx, id_, root.entity.columns)
    if row is None or (root.node.name.value == "asset" and row[-2] != ASSET):
        return None
    return root.entity.shown(row, call)


def _page(root: Root, arguments: dict[str, Any], call: Call) -> Any:
    first, kind, after = arguments.get("first"), arguments.get("kind"), arguments.get("after")
    if first is None:
        first = 50
    if not 1 <= first <= MAX_PAGE or (kind is not None and ("\x00" in kind or len(kind) > 1_000)):
        raise _Leave
    if arguments.get("filters") is not None or root.entity is None:
        raise _Leave
    count = call.rows.reserve(first)
    if count != first:
        raise _Leave
    page = graph.list_values(call.ctx, root.entity.columns, kind=kind, first=count, after=after, count=root.counts)
    call.rows.settle(count, len(page.rows))
    shown = [
        (place, entity) for place, row in enumerate(page.rows) if (entity := root.entity.shown(row, call)) is not None
    ]
    made: dict[str, Any] = {}
    for name, field, selected in root.parts:
        if field == "nodes":
            made[name] = [entity for _, entity in shown]
        elif field == "edges":
            made[name] = [_edge(selected, page, place, entity) for place, entity in shown]
        elif field == "pageInfo":
            made[name] = {key: _page_fact(fact, page, after) for key, fact in selected}
        elif field == "totalCount":
            made[name] = page.total
        elif field == "totalIsEstimate":
            made[name] = page.total_is_estimate
        elif field == "withheldCount":
            made[name] = len(page.rows) - len(shown)
        elif field == "errors":
            made[name] = []
        else:
            made[name] = selected  # __typename
    return made


def _edge(
    selected: Sequence[tuple[str, str]], page: graph.ValuesPage, place: int, entity: dict[str, Any]
) -> dict[str, Any]:
    return {
        name: entity if field == "node" else page.cursor(place) if field == "cursor" else "EntityEdge"
        for name, field in selected
    }


def _page_fact(fact: str, page: graph.ValuesPage, after: str | None) -> Any:
    if fact == "hasNextPage":
        return page.has_next
    if fact == "hasPreviousPage":
        return after is not None
    if fact == "__typename":
        return "PageInfo"
    return page.cursor(0 if fact == "startCursor" else -1) if page.rows else None


_PLAIN: dict[str, type] = {"ID": str, "String": str, "Int": int}
_INT_LIMIT = 2**31


def _plain_values(declared: tuple[tuple[str, str], ...] | None, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return variables that need no coercing, or None when graphql-core must look at them."""
    if declared is None:
        return None
    values: dict[str, Any] = {}
    for name, type_ in declared:
        value: Any = given.get(name)
        plain: bool = type(value) is _PLAIN[type_]
        if not plain or (type_ == "Int" and not -_INT_LIMIT <= value < _INT_LIMIT):
            return None
        values[name] = value
    return values


def _version(root: Root, arguments: dict[str, Any], call: Call) -> Any:
    return API_VERSION


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled query."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    roots: tuple[Root, ...]
    variables: tuple[tuple[str, str], ...] | None

    def run(self, variables: dict[str, Any], call: Call) -> dict[str, Any] | None:
        """Return the data, or None when this request needs the resolvers. Blocks; inside the tenant's scope."""
        try:
            values: Any = _plain_values(self.variables, variables)
            if values is None:
                values = get_variable_values(self.schema, self.operation.variable_definitions, variables)
                if isinstance(values, list):
                    return None
            data: dict[str, Any] = {}
            for root in self.roots:
                if root.by_variable is None:
                    arguments = get_argument_values(root.definition, root.node, values)
                else:
                    arguments = {name: values[variable] for name, variable in root.by_variable if variable in values}
                policy.require(call.ctx, root.action)
                data[root.response] = root.run(root, arguments, call)
            return data
        except (_Leave, IgError):
            return None


def _declared(operation: OperationDefinitionNode) -> tuple[tuple[str, str], ...] | None:
    """Return (name, type) of the variables when all are of plain types, else None."""
    found = []
    for definition in operation.variable_definitions:
        type_ = definition.type.type if isinstance(definition.type, NonNullTypeNode) else definition.type
        if not isinstance(type_, NamedTypeNode) or type_.name.value not in _PLAIN:
            return None
        found.append((definition.variable.name.value, type_.name.value))
    return tuple(found)


def _by_variable(definition: GraphQLField, node: FieldNode) -> tuple[tuple[str, str], ...] | None:
    """Return (argument, variable) pairs when every argument is a variable and none has a default, else None."""
    found = []
    for argument in node.arguments:
        if not isinstance(argument.value, VariableNode):
            return None
        found.append((argument.name.value, argument.value.name.value))
    given = {name for name, _ in found}
    if any(name not in given and arg.default_value is not Undefined for name, arg in definition.args.items()):
        return None
    return tuple(found)


class _Compiler:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.schema = schema
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}

    def plan(self, operation: OperationDefinitionNode) -> Plan:
        if operation.operation is not OperationType.QUERY or operation.directives or self.schema.query_type is None:
            raise _TooRich
        roots = []
        for name, node in self.fields(operation.selection_set, {"Query"}):
            field = node.name.value
            if field not in _ROOTS:
                raise _TooRich
            roots.append(self.root(name, node, self.schema.query_type.fields[field]))
        return Plan(self.schema, operation, tuple(roots), _declared(operation))

    def fields(self, selection: SelectionSetNode | None, types: set[str]) -> list[tuple[str, FieldNode]]:
        """Return (response name, field) in order, fragments opened; a name that comes twice is too rich."""
        found: list[tuple[str, FieldNode]] = []
        for node in selection.selections if selection else ():
            if node.directives:
                raise _TooRich
            if isinstance(node, FieldNode):
                found.append(((node.alias or node.name).value, node))
                continue
            if isinstance(node, FragmentSpreadNode):
                fragment: Any = self.fragments[node.name.value]
                if fragment.directives:
                    raise _TooRich
            elif isinstance(node, InlineFragmentNode):
                fragment = node
            else:
                raise _TooRich
            if fragment.type_condition is not None and fragment.type_condition.name.value not in types:
                raise _TooRich
            found += self.fields(fragment.selection_set, types)
        if len({name for name, _ in found}) != len(found):
            raise _TooRich
        return found

    def root(self, name: str, node: FieldNode, definition: GraphQLField) -> Root:
        field = node.name.value
        action = getattr(definition.resolve, "action", "")
        if not action:
            raise _TooRich
        pairs = _by_variable(definition, node)
        if field == "apiVersion":
            return Root(name, definition, node, _version, action, pairs)
        if field != "entities":
            type_name = "Asset" if field == "asset" else "Entity"
            return Root(name, definition, node, _one, action, pairs, self.entity(node.selection_set, type_name))
        return self.page(name, node, definition, action, pairs)

    def page(self, name: str, node: FieldNode, definition: GraphQLField, action: str, pairs: Any) -> Root:
        entity: Selection | None = None
        parts: list[tuple[str, str, Any]] = []
        counts = False
        for response, child in self.fields(node.selection_set, {"EntityConnection"}):
            field = child.name.value
            selected: Any = None
            if field in {"nodes", "edges"} and entity is not None:
                raise _TooRich
            if field == "nodes":
                entity = self.entity(child.selection_set, "Entity")
            elif field == "edges":
                inner = self.fields(child.selection_set, {"EntityEdge"})
                below = [edge for _, edge in inner if edge.name.value == "node"]
                if len(below) != 1:
                    raise _TooRich
                entity = self.entity(below[0].selection_set, "Entity")
                selected = tuple((key, edge.name.value) for key, edge in inner)
            elif field == "pageInfo":
                selected = tuple((key, f.name.value) for key, f in self.fields(child.selection_set, {"PageInfo"}))
                if any(fact not in _PAGE_INFO for _, fact in selected):
                    raise _TooRich
            elif field == "errors":
                self.fields(child.selection_set, {"InputError"})
            elif field == "__typename":
                selected = "EntityConnection"
            elif field in {"totalCount", "totalIsEstimate"}:
                counts = True
            elif field != "withheldCount":
                raise _TooRich
            parts.append((response, field, selected))
        return Root(name, definition, node, _page, action, pairs, entity or Selection((), (), ()), tuple(parts), counts)

    def entity(self, selection: SelectionSetNode | None, type_name: str) -> Selection:
        columns: list[str] = []
        parts: list[tuple[str, str, int, Any]] = []
        plain = True
        for name, node in self.fields(selection, {type_name, "Node"}):
            field = node.name.value
            if field in COLUMNS:
                plain = plain and field not in _JSON
                parts.append((name, field, len(columns), None))
                columns.append(COLUMNS[field])
                continue
            plain = False
            if field == "__typename":
                parts.append((name, field, -1, type_name))
            elif field in _NEVER_READ:
                parts.append((name, field, -1, _NEVER_READ[field]))
            elif field in {"withheld", "withheldReason"}:
                parts.append((name, field, -1, None))
            else:
                raise _TooRich
        return Selection(tuple(columns), tuple(name for name, *_ in parts) if plain else None, tuple(parts))


def compiled(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Plan | None:
    """Return the plan of an operation of a valid document, or None when it needs resolvers."""
    try:
        return _Compiler(schema, document).plan(operation)
    except _TooRich:
        return None
