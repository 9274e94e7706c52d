"""Parsed and validated GraphQL documents, kept by their text, so that a document is read once per process.

Bounded in number and in characters; the least recently used go first.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)

from apps.gateway.limits import LimitExceeded, Limits, check_shape
from apps.gateway.plans import Plan
from apps.gateway.retiring import headers as announce
from apps.gateway.retiring import used

MAX_VALIDATION_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document cannot run: message, code, and where in the text."""

    message: str
    code: str
    reason: str
    locations: tuple[dict[str, int], ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def formatted(self) -> dict[str, Any]:
        """Return the error map of a GraphQL response."""
        error: dict[str, Any] = {"message": self.message}
        if self.locations:
            error["locations"] = list(self.locations)
        error["extensions"] = {"code": self.code, "reason": self.reason, **self.details}
        return error


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read: valid when `problems` is empty. `fields` counts them with fragments opened.

    `plans` and `costs` keep what was worked out for its operations; `retiring` are headers about what it uses that is
    deprecated.
    """

    text: str
    sha256: str
    node: DocumentNode | None
    operations: tuple[OperationDefinitionNode, ...]
    problems: tuple[Problem, ...]
    fields: int = 0
    plans: dict[str | None, Plan | None] = field(default_factory=dict, compare=False)
    costs: dict[Any, int] = field(default_factory=dict, compare=False)
    retiring: Mapping[str, str] = field(default_factory=dict, compare=False)

    def operation(self, name: str | None) -> OperationDefinitionNode | Problem:
        """Return the operation to run, or why none can be chosen (GraphQL specification, section 6.1)."""
        if name is None:
            if len(self.operations) == 1:
                return self.operations[0]
            if not self.operations:
                return Problem("the document holds no operation", "BAD_USER_INPUT", "OPERATION_RESOLUTION_FAILURE")
            return Problem(
                "the document holds several operations; name one in operationName",
                "BAD_USER_INPUT",
                "OPERATION_RESOLUTION_FAILURE",
            )
        for operation in self.operations:
            if operation.name and operation.name.value == name:
                return operation
        return Problem(
            f"the document holds no operation named {name!r}", "BAD_USER_INPUT", "OPERATION_RESOLUTION_FAILURE"
        )


def _problem(error: GraphQLError, reason: str) -> Problem:
    locations = tuple({"line": at.line, "column": at.column} for at in error.locations or ())
    return Problem(error.message, "BAD_USER_INPUT", reason, locations)


def read(text: str, schema: GraphQLSchema, limits: Limits) -> Document:
    """Return the document of `text`: parsed, measured, validated."""
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def refused(*problems: Problem) -> Document:
        return Document(text, digest, None, (), problems)

    if len(text) > limits.max_characters:
        over = LimitExceeded("length in characters", len(text), limits.max_characters, "Split it in several requests.")
        return refused(Problem(str(over), "TOO_COMPLEX", "LIMIT", details={"limit": over.limit, "bound": over.bound}))
    try:
        node = parse(text, max_tokens=limits.max_tokens)
        measure = check_shape(node, limits)
    except GraphQLSyntaxError as error:
        if "Parsing aborted" in error.message:  # graphql-core's words for more than max_tokens
            return refused(
                Problem(
                    f"the document has more than {limits.max_tokens} tokens. Split it in several requests.",
                    "TOO_COMPLEX",
                    "LIMIT",
                    details={"limit": "tokens", "bound": limits.max_tokens},
                )
            )
        return refused(_problem(error, "GRAPHQL_PARSE_FAILED"))
    except RecursionError:
        return refused(
            Problem("the document is nested too deeply to read", "TOO_COMPLEX", "LIMIT", details={"limit": "depth"})
        )
    except LimitExceeded as over:
        return refused(Problem(str(over), "TOO_COMPLEX", "LIMIT", details={"limit": over.limit, "bound": over.bound}))
    try:
        errors = validate(schema, node, specified_rules, max_errors=MAX_VALIDATION_ERRORS)
    except RecursionError:
        return refused(
            Problem("the document is nested too deeply to validate", "TOO_COMPLEX", "LIMIT", details={"limit": "depth"})
        )
    if errors:
        return refused(*(_problem(error, "GRAPHQL_VALIDATION_FAILED") for error in errors))
    operations = tuple(d for d in node.definitions if isinstance(d, OperationDefinitionNode))
    retiring = announce(used(schema, node))
    return Document(text, digest, node, operations, (), measure.fields, retiring=retiring)


class DocumentCache:
    """Documents by text, for one schema. Not safe across threads: it lives on the event loop."""

    def __init__(
        self, schema: GraphQLSchema, limits: Limits, *, max_documents: int = 2_000, max_characters: int = 8_000_000
    ) -> None:
        self.schema, self.limits = schema, limits
        self.max_documents, self.max_characters = max_documents, max_characters
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._characters = 0
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    def known(self, text: str) -> Document | None:
        """Return the document of `text` if it was read earlier: for callers whom nobody has looked at yet."""
        document = self._kept.get(text)
        if document is not None:
            self.hits += 1
            self._kept.move_to_end(text)
        return document

    def retiring(self, text: str) -> Mapping[str, str]:
        """Return the headers about what a document that was read uses of the deprecated."""
        document = self._kept.get(text)
        return document.retiring if document is not None else {}

    def get(self, text: str) -> Document:
        """Return the document of `text`, read now or earlier."""
        document = self.known(text)
        if document is not None:
            return document
        self.misses += 1
        document = read(text, self.schema, self.limits)
        if len(text) <= self.limits.max_characters:
            self._kept[text] = document
            self._characters += len(text)
            while len(self._kept) > self.max_documents or self._characters > self.max_characters:
                dropped, _ = self._kept.popitem(last=False)
                self._characters -= len(dropped)
        return document


def is_mutation(operation: OperationDefinitionNode) -> bool:
    """Return whether an operation changes things."""
    return operation.operation is OperationType.MUTATION


def is_subscription(operation: OperationDefinitionNode) -> bool:
    """Return whether an operation stays open."""
    return operation.operation is OperationType.SUBSCRIPTION
