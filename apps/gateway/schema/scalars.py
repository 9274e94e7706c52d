"""Scalars: JSON values within what the store can hold, and moments in UTC."""

import math
from datetime import datetime
from typing import Any

import graphene
from graphql import (
    BooleanValueNode,
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    Undefined,
    ValueNode,
    VariableNode,
)

from apps.core.clock import iso

MAX_DEPTH = 32
MAX_INTEGER = 2**63


def _refuse(message: str, node: ValueNode | None = None) -> GraphQLError:
    return GraphQLError(f"JSON {message}", node, extensions={"code": "BAD_USER_INPUT"})


def checked(value: Any, depth: int = 0) -> Any:
    """Return a JSON value that the store can hold.

    Raises GraphQLError for NUL characters, numbers out of range, and nesting deeper than 32.
    """
    if depth > MAX_DEPTH:
        raise _refuse(f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        if "\x00" in value:
            raise _refuse("text must not hold the character U+0000")
    elif isinstance(value, bool) or value is None:
        return value
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value < MAX_INTEGER:
            raise _refuse("integers must fit 64 bits; send larger ones as text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _refuse("numbers must be finite")
    elif isinstance(value, dict):
        for key, inner in value.items():
            checked(key, depth + 1)
            checked(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            checked(inner, depth + 1)
    else:
        raise _refuse(f"cannot hold a {type(value).__name__}")
    return value


def from_literal(node: ValueNode, variables: dict[str, Any] | None, depth: int = 0) -> Any:
    """Return the value that a literal of a document spells; variables inside it are filled in.

    Raises GraphQLError for what `checked` refuses, for enum values and keys that are given twice.
    """
    if depth > MAX_DEPTH:
        raise _refuse(f"is nested deeper than {MAX_DEPTH} levels", node)
    match node:
        case StringValueNode(value=text):
            return checked(text, depth)
        case BooleanValueNode(value=flag):
            return flag
        case NullValueNode():
            return None
        case IntValueNode(value=digits):
            if len(digits) > 20:
                raise _refuse("integers must fit 64 bits; send larger ones as text", node)
            return checked(int(digits), depth)
        case FloatValueNode(value=digits):
            return checked(float(digits), depth)
        case ListValueNode(values=values):
            return [from_literal(inner, variables, depth + 1) for inner in values]
        case ObjectValueNode(fields=fields):
            found = {field.name.value: from_literal(field.value, variables, depth + 1) for field in fields}
            if len(found) != len(fields):
                raise _refuse("names a key twice", node)
            return found
        case VariableNode():
            value = (variables or {}).get(node.name.value, Undefined)
            return None if value is Undefined else value
    raise _refuse("cannot hold an enum value; put it in quotes", node)


class JSON(graphene.Scalar):
    """Any JSON value: text, number, boolean, null, list or map. Integers fit 64 bits, nesting ends at 32 levels."""

    class Meta:
        name = "JSON"

    @staticmethod
    def serialize(value: Any) -> Any:
        """Return the value as it is."""
        return value

    @staticmethod
    def parse_value(value: Any) -> Any:
        """Return the value of a variable, checked."""
        return checked(value)

    @staticmethod
    def parse_literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> Any:
        """Return the value of a literal, checked."""
        return from_literal(node, _variables)


class DateTime(graphene.Scalar):
    """A moment in UTC with microseconds, such as `2026-11-21T09:30:00.000000Z` (RFC 3339)."""

    class Meta:
        name = "DateTime"

    @staticmethod
    def serialize(value: Any) -> str:
        """Return a moment as text; text of live updates is in that form already."""
        return iso(value) if isinstance(value, datetime) else str(value)

    @staticmethod
    def parse_value(value: Any) -> datetime:
        """Return the moment that a text names. Raises GraphQLError when it names none."""
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise GraphQLError(
                f"{value!r} is not a moment such as 2026-11-21T09:30:00Z", extensions={"code": "BAD_USER_INPUT"}
            ) from None
        if moment.tzinfo is None:
            raise GraphQLError(f"{value!r} names no time zone; end it with Z", extensions={"code": "BAD_USER_INPUT"})
        return moment

    @classmethod
    def parse_literal(cls, node: ValueNode, _variables: dict[str, Any] | None = None) -> datetime:
        """Return the moment that a literal names."""
        return cls.parse_value(node.value if isinstance(node, StringValueNode) else None)
