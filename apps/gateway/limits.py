"""What a GraphQL document may ask for: depth, size, aliases, repetition, rows. Pure: no Django.

A document is measured before it is validated, because validation itself grows with the square of repeated fields.
Fragments are measured once each and added where they are spread, so a chain of fragments that doubles at each step
is measured in linear time and still counts in full.

Shape is refused, size is cut: a document that is too deep or too wide is refused with TOO_COMPLEX before it runs; one
that asks for more rows than an operation may have gets fewer, and each page that was cut says so (`hasNextPage`,
`truncated`). How many rows an operation may have falls with the number of its fields, so their product is bounded.

Cost, for information: every field costs 1; a field that returns a list costs its own 1 plus, for each row that it may
return, the cost of what is selected on a row. Rows are the `first` argument, its default, or LIST_ROWS.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

LIST_ROWS = 20  # rows assumed for a list without `first`


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds per document. `introspection_depth` is the one for selections under `__schema` and `__type`."""

    max_characters: int = 64_000
    max_tokens: int = 4_000
    max_depth: int = 15
    introspection_depth: int = 20
    introspection_lists: int = 3
    max_aliases: int = 60
    max_fields: int = 1_500
    max_repeats: int = 40
    max_directives: int = 60
    max_operations: int = 20
    max_rows: int = 2_500
    max_cells: int = 100_000

    def rows_for(self, fields: int) -> int:
        """Return how many rows an operation of so many fields may have."""
        return max(1, min(self.max_rows, self.max_cells // max(1, fields)))


@dataclass(slots=True)
class RowBudget:
    """Rows that an operation may still have. Fields run side by side, so a reader reserves before it reads and gives
    back what it did not need."""

    limit: int
    used: int = 0

    @property
    def left(self) -> int:
        """Rows that are left."""
        return max(0, self.limit - self.used)

    def reserve(self, wanted: int, among: int = 1) -> int:
        """Take rows for `among` lists that want `wanted` each; return how many each of them may have."""
        each = min(wanted, self.left // max(1, among))
        self.used += each * among
        return each

    def settle(self, reserved: int, used: int) -> None:
        """Give back what was reserved and not used."""
        self.used += used - reserved


class LimitExceeded(Exception):
    """A document passes a limit; `limit` names it, `value` is what the document has, `bound` what it may have."""

    def __init__(self, limit: str, value: int, bound: int, mend: str) -> None:
        super().__init__(f"the document's {limit} is {value}; at most {bound} is allowed. {mend}")
        self.limit, self.value, self.bound, self.mend = limit, value, bound, mend


@dataclass(frozen=True, slots=True)
class Measure:
    """The size of a selection with its fragments opened."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    introspection_depth: int = 0
    introspection_lists: int = 0

    def beside(self, other: "Measure") -> "Measure":
        """Return the measure of two selections next to each other."""
        return Measure(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            max(self.introspection_depth, other.introspection_depth),
            max(self.introspection_lists, other.introspection_lists),
        )


# List fields of introspection through which a query can go round: types → fields → type → fields …
_INTROSPECTION_LISTS = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})


class _Ruler:
    """Measures selections; each fragment once."""

    def __init__(self, document: DocumentNode, limits: Limits) -> None:
        self.limits = limits
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self.known: dict[tuple[str, bool], Measure] = {}
        self.open: set[str] = set()

    def selection(self, node: SelectionSetNode | None, inside_introspection: bool) -> Measure:
        if node is None:
            return Measure()
        names = Counter((child.alias or child.name).value for child in node.selections if isinstance(child, FieldNode))
        if names:
            name, repeats = names.most_common(1)[0]
            if repeats > self.limits.max_repeats:
                raise LimitExceeded(f"repetition of {name!r}", repeats, self.limits.max_repeats, "Ask for it once.")
        total = Measure()
        for child in node.selections:
            total = total.beside(self.child(child, inside_introspection))
            if total.fields > self.limits.max_fields:
                raise LimitExceeded(
                    "number of fields", total.fields, self.limits.max_fields, "Split it in several requests."
                )
        return total

    def child(self, child: Any, inside: bool) -> Measure:
        directives = len(child.directives or ())
        if isinstance(child, FieldNode):
            name = child.name.value
            enters = inside or name in {"__schema", "__type"}
            inner = self.selection(child.selection_set, enters)
            return Measure(
                0 if enters else inner.depth + 1,
                inner.fields + 1,
                inner.aliases + (child.alias is not None),
                inner.directives + directives,
                inner.introspection_depth + 1 if enters else inner.introspection_depth,
                inner.introspection_lists + (enters and name in _INTROSPECTION_LISTS),
            )
        if isinstance(child, InlineFragmentNode):
            inner = self.selection(child.selection_set, inside)
        else:
            inner = self.fragment(child.name.value, inside)
        return inner.beside(Measure(directives=directives))

    def fragment(self, name: str, inside: bool) -> Measure:
        key = (name, inside)
        if key not in self.known:
            definition = self.fragments.get(name)
            if definition is None or name in self.open:
                return Measure()  # unknown and circular fragments are for validation to name
            self.open.add(name)
            self.known[key] = self.selection(definition.selection_set, inside)
            self.open.discard(name)
        return self.known[key]


def check_shape(document: DocumentNode, limits: Limits) -> Measure:
    """Return the measure of a parsed document, before validation. Raises LimitExceeded naming the limit passed."""
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if len(operations) > limits.max_operations:
        raise LimitExceeded("number of operations", len(operations), limits.max_operations, "Send fewer at once.")
    ruler = _Ruler(document, limits)
    total = Measure()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            total = total.beside(ruler.selection(definition.selection_set, False))
            total = total.beside(Measure(directives=len(definition.directives or ())))
        elif isinstance(definition, FragmentDefinitionNode):
            ruler.fragment(definition.name.value, False)  # also those that nothing spreads are validated
    for name, value, bound, mend in (
        ("depth", total.depth, limits.max_depth, "Select fewer levels, or follow with a second request."),
        ("number of aliases", total.aliases, limits.max_aliases, "Split it in several requests."),
        ("number of directives", total.directives, limits.max_directives, "Remove those that change nothing."),
        ("depth of introspection", total.introspection_depth, limits.introspection_depth, "Select fewer levels."),
        (
            "nesting of introspection lists",
            total.introspection_lists,
            limits.introspection_lists,
            "Select fewer levels.",
        ),
    ):
        if value > bound:
            raise LimitExceeded(name, value, bound, mend)
    return total


class _Meter:
    """Prices an operation for given variables; each fragment once per type and multiplier-free."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any], max_rows: int
    ) -> None:
        self.schema, self.variables, self.max_rows = schema, variables, max_rows
        self.fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self.known: dict[str, int] = {}

    def rows(self, field: GraphQLField, node: FieldNode, shown: int | None) -> tuple[int, int | None]:
        """Return (rows that multiply what is below, page size handed down to the `nodes` of a connection)."""
        first: int | None = None
        if "first" in field.args:
            default = field.args["first"].default_value
            first = default if isinstance(default, int) else LIST_ROWS
            for argument in node.arguments:
                if argument.name.value != "first":
                    continue
                if isinstance(argument.value, IntValueNode):
                    first = int(argument.value.value)
                elif isinstance(argument.value, VariableNode):
                    given = self.variables.get(argument.value.name.value)
                    first = given if isinstance(given, int) else first
            first = max(0, min(first, self.max_rows))
        type_ = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
        if isinstance(type_, GraphQLList):
            return (first if first is not None else shown if shown is not None else LIST_ROWS), None
        return 1, first

    def selection(self, node: SelectionSetNode | None, parent: Any, shown: int | None) -> int:
        if node is None or not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return 0
        total = 0
        for child in node.selections:
            if isinstance(child, FieldNode):
                field = parent.fields.get(child.name.value)
                if field is None:  # __typename and introspection
                    total += 1
                    continue
                rows, handed = self.rows(field, child, shown)
                total += 1 + rows * self.selection(child.selection_set, get_named_type(field.type), handed)
            elif isinstance(child, InlineFragmentNode):
                named = child.type_condition.name.value if child.type_condition else None
                total += self.selection(child.selection_set, self.schema.get_type(named) if named else parent, shown)
            elif isinstance(child, FragmentSpreadNode):
                definition = self.fragments[child.name.value]
                type_ = self.schema.get_type(definition.type_condition.name.value)
                key = f"{child.name.value}:{shown}"
                if key not in self.known:
                    self.known[key] = self.selection(definition.selection_set, type_, shown)
                total += self.known[key]
        return total


def cost_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    max_rows: int,
) -> int:
    """Return the cost of a valid operation for its variables; `max_rows` is the largest page that a list gives."""
    root = schema.get_root_type(operation.operation)
    return _Meter(schema, document, variables, max_rows).selection(operation.selection_set, root, None)
