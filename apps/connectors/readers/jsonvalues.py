"""A closer look at parsed JSON: what the parser takes but a graph must not."""

import re
from typing import Any

from apps.connectors.types import Limits, RowError

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"(?<![\d.])-?\d{20,}(?![\d.eE])")
MAX_INTEGER = (1 << 64) - 1


def flaw(row: int, offset: int, text: bytes, value: Any, limits: Limits, *, closer: bool) -> RowError | None:
    """Return what is wrong with the object `value`, parsed from `text`, or None.

    `closer` asks for the dear checks: NUL characters and numbers beyond 64 bits, which the parser would round.
    """
    if type(value) is not dict:
        return RowError(
            row,
            "NOT_AN_OBJECT",
            f"the row is a JSON {_name_of(value)}, not an object",
            'Write one object such as {"id": "1"} per row.',
            offset=offset,
        )
    if len(value) > limits.max_columns:
        return RowError(
            row,
            "TOO_MANY_COLUMNS",
            f"the row has {len(value)} fields; at most {limits.max_columns} are taken",
            "Put rarely used fields into one nested object, or leave them out.",
            offset=offset,
        )
    if text.count(b"{") + text.count(b"[") > limits.max_depth and depth(value, limits.max_depth) > limits.max_depth:
        return RowError(
            row,
            "TOO_DEEP",
            f"the row is nested more than {limits.max_depth} levels deep",
            "Flatten the value.",
            offset=offset,
        )
    if not closer:
        return None
    if b"\\u0000" in text and _holds_nul(value):
        return RowError(
            row, "NUL_CHARACTER", "a text of the row holds the character U+0000", "Remove it.", offset=offset
        )
    for match in _LONG_NUMBER.finditer(_STRING.sub(b'""', text)):
        if not -(1 << 63) <= int(match[0][:64]) <= MAX_INTEGER or len(match[0]) > 64:
            return RowError(
                row,
                "NUMBER_OUT_OF_RANGE",
                f"the number {match[0][:24].decode()}… does not fit 64 bits and would be rounded",
                "Write it as a string.",
                offset=offset,
            )
    return None


def depth(value: Any, limit: int) -> int:
    """Return how deep `value` is nested (a plain object is 1), looking no further than `limit` + 1."""
    deepest = 0
    stack = [(value, 1)]
    while stack:
        item, level = stack.pop()
        if isinstance(item, dict):
            children: Any = item.values()
        elif isinstance(item, list):
            children = item
        else:
            continue
        deepest = max(deepest, level)
        if deepest > limit:
            return deepest
        stack.extend((child, level + 1) for child in children if isinstance(child, (dict, list)))
    return deepest


def _holds_nul(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False


def _name_of(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), "value")
