"""What a field of a mapping compiles to: a function from a block's columns to one value per row."""

from collections.abc import Callable, Sequence
from typing import Any

from apps.connectors.mapping import values
from apps.connectors.mapping.frames import Frame, Layout
from apps.connectors.mapping.templates import parse
from apps.connectors.types import Refusal

Expression = Callable[[Frame], Sequence[Any]]
"""Gives one value per row: None where there is none, a Refusal where it cannot be had."""


def text(template: str, layout: Layout, path: str) -> Expression:
    """Return the text that a template makes; a row lacking one of its columns has none."""
    pieces = parse(template)
    for is_column, piece in pieces:
        if is_column:
            layout.require(piece, path)
    if len(pieces) == 1 and pieces[0][0]:
        column = pieces[0][1]
        return lambda frame: values.texts(frame.column(column), column)

    def joined(frame: Frame) -> list[Any]:
        parts = [
            values.texts(frame.column(piece), piece) if is_column else [piece] * len(frame)
            for is_column, piece in pieces
        ]
        return [_join(row) for row in zip(*parts, strict=True)]

    return joined


def value(spec: Any, layout: Layout, path: str) -> Expression:
    """Return the value of a property: a template, `{column: …}` with its type, or `{value: …}`."""
    if isinstance(spec, str):
        pieces = parse(spec)
        if len(pieces) == 1 and pieces[0][0]:
            spec = {"column": pieces[0][1]}
        else:
            return text(spec, layout, path)
    if "value" in spec:
        fixed = spec["value"]
        return lambda frame: [fixed] * len(frame)
    column = spec["column"]
    layout.require(column, path)
    convert = values.converter(
        spec.get("type") or layout.type_of(column),
        column,
        form=spec.get("format", ""),
        separator=spec.get("separator", ""),
    )
    table, default = spec.get("values"), spec.get("default")
    if table is None and default is None:
        return lambda frame: convert(frame.column(column))

    def looked_up(frame: Frame) -> list[Any]:
        found: Sequence[Any] = frame.column(column)
        if table is not None:
            found = [_look_up(table, item, column) for item in found]
        return [default if item is None else item for item in convert(found)]

    return looked_up


def condition(specs: list[dict[str, Any]], layout: Layout, path: str) -> Callable[[Frame], list[bool]] | None:
    """Return which rows meet every condition; None when there are no conditions."""
    if not specs:
        return None
    tests: list[tuple[str, Callable[[Any], bool]]] = []
    for place, spec in enumerate(specs):
        column = spec["column"]
        layout.require(column, f"{path}[{place}].column")
        if "present" in spec:
            tests.append((column, _present(spec["present"])))
        for field, wanted in (("equals", True), ("notEquals", False), ("in", True), ("notIn", False)):
            if field in spec:
                allowed = spec[field] if isinstance(spec[field], list) else [spec[field]]
                tests.append((column, _among(allowed, wanted)))

    def met(frame: Frame) -> list[bool]:
        columns = [(frame.column(column), test) for column, test in tests]
        return [all(test(column[row]) for column, test in columns) for row in range(len(frame))]

    return met


def _present(wanted: bool) -> Callable[[Any], bool]:
    return lambda item: (item is not None) is wanted


def _among(allowed: list[Any], wanted: bool) -> Callable[[Any], bool]:
    plain = {_plain(item) for item in allowed}
    return lambda item: (not isinstance(item, (dict, list)) and _plain(item) in plain) is wanted


def _plain(item: Any) -> Any:
    """Compare as text, so that `equals: 5` meets both 5 and "5"; None and booleans stay themselves."""
    return str(item) if isinstance(item, (int, float)) and not isinstance(item, bool) else item


def _look_up(table: dict[str, Any], item: Any, column: str) -> Any:
    if item is None:
        return None
    key = item if isinstance(item, str) else str(item)
    if key in table:
        return table[key]
    return Refusal(
        "UNKNOWN_VALUE",
        f"{values.shown(item)} is not among the listed values",
        "Add it to `values` of the mapping.",
        column,
    )


def _join(row: Sequence[Any]) -> Any:
    try:
        return "".join(row)
    except TypeError:
        return next((part for part in row if isinstance(part, Refusal)), None)
