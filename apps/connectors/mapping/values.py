"""Typed values from text or JSON, a column at a time: fast when a whole column is plain, value by value when not."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from apps.connectors.readers.jsonvalues import depth
from apps.connectors.types import Refusal

MAX_JSON_DEPTH = 32
MIN_INTEGER, MAX_INTEGER = -(1 << 63), (1 << 63) - 1
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "on"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "off"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Convert = Callable[[Sequence[Any]], list[Any]]
"""Turns a column into values: None where there is none, a Refusal where the text is not of the type."""


def converter(kind: str, column: str, *, form: str = "", separator: str = "") -> Convert:
    """Return the conversion of `column` to `kind` (one of schema.VALUE_TYPES; "" keeps values as they are)."""
    if kind == "":
        return list
    if kind == "string":
        return lambda values: texts(values, column)
    if kind == "int":
        return lambda values: integers(values, column)
    if kind == "float":
        return lambda values: floats(values, column)
    if kind == "list":
        return lambda values: [_list(value, separator or ";", column) for value in values]
    one: Callable[[Any, str], Any] = {"bool": _bool, "date": _date, "datetime": _datetime, "json": _json}[kind]
    expected = {"bool": "true or false", "date": "a date", "datetime": "a date and time", "json": "JSON"}[kind]
    mend = f"Write {expected}{f' as {form}' if form else ''}."

    def convert(values: Sequence[Any]) -> list[Any]:
        out: list[Any] = []
        for value in values:
            if value is None or isinstance(value, Refusal):
                out.append(value)
                continue
            try:
                out.append(one(value, form))
            except (ValueError, TypeError, OverflowError):
                out.append(Refusal(f"NOT_A_{kind.upper()}", f"{shown(value)} is not {expected}", mend, column))
        return out

    return convert


def texts(values: Sequence[Any], column: str) -> list[Any]:
    """Return values as text: numbers and booleans as JSON writes them; objects and lists are refused."""
    if set(map(type, values)) == {str}:
        return list(values)
    return [value if type(value) is str else _text(value, column) for value in values]


def integers(values: Sequence[Any], column: str) -> list[Any]:
    """Return values as integers of 64 bits."""
    try:
        joined = "".join(values)
        if joined.isascii() and "_" not in joined:
            found = list(map(int, values))
            if not found or (min(found) >= MIN_INTEGER and max(found) <= MAX_INTEGER):
                return found
    except (TypeError, ValueError):
        pass  # some value is absent or wrong: each is looked at below
    return [_integer(value, column) for value in values]


def floats(values: Sequence[Any], column: str) -> list[Any]:
    """Return values as finite numbers."""
    try:
        joined = "".join(values)
        if joined.isascii() and "_" not in joined:
            found = list(map(float, values))
            if math.isfinite(math.fsum(found)):
                return found
    except (TypeError, ValueError, OverflowError):
        pass  # some value is absent or wrong: each is looked at below
    return [_float(value, column) for value in values]


def shown(value: Any) -> str:
    """Return a value as an error shows it: short, in quotes."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…" + text[-1]


def _text(value: Any, column: str) -> Any:
    if value is None or isinstance(value, (str, Refusal)):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return Refusal("NOT_TEXT", f"{shown(value)} is not a text", "Use a field that holds a text or a number.", column)


def _integer(value: Any, column: str) -> Any:
    if value is None or isinstance(value, Refusal):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, str, float)):
        return Refusal("NOT_AN_INTEGER", f"{shown(value)} is not a whole number", "Write digits only.", column)
    if isinstance(value, float):
        if not value.is_integer():
            return Refusal("NOT_AN_INTEGER", f"{shown(value)} is not a whole number", "Use type float.", column)
        number = int(value)
    elif isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            return Refusal("NOT_AN_INTEGER", f"{shown(value)} is not a whole number", "Write digits only.", column)
        if len(value) > 400:
            return Refusal("NUMBER_OUT_OF_RANGE", f"{shown(value)} does not fit 64 bits", "Use type string.", column)
        number = int(value)
    else:
        number = value
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        return Refusal("NUMBER_OUT_OF_RANGE", f"{shown(value)} does not fit 64 bits", "Use type string.", column)
    return number


def _float(value: Any, column: str) -> Any:
    if value is None or isinstance(value, Refusal):
        return value
    try:
        if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return Refusal("NOT_A_NUMBER", f"{shown(value)} is not a number", "Write digits with a decimal point.", column)
    if not math.isfinite(number):
        return Refusal("NUMBER_OUT_OF_RANGE", f"{shown(value)} is not a finite number", "Leave the value out.", column)
    return number


def _bool(value: Any, form: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(word)


def _date(value: Any, form: str) -> str:
    if form in ("epoch", "epoch_ms"):
        return _datetime(value, form)[:10]
    text = str(value).strip()
    if form == "%Y%m%d" and len(text) == 8 and text.isdigit():
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    return (datetime.strptime(text, form).date() if form else date.fromisoformat(text)).isoformat()


def _datetime(value: Any, form: str) -> str:
    if form in ("epoch", "epoch_ms"):
        seconds = float(value) / (1000 if form == "epoch_ms" else 1)
        at = _EPOCH + timedelta(seconds=seconds)
    else:
        text = str(value).strip()
        at = datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at.microsecond else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(value: Any, form: str) -> Any:
    if not isinstance(value, str):
        return value
    found = orjson.loads(value)
    if "\\u0000" in value or depth(found, MAX_JSON_DEPTH) > MAX_JSON_DEPTH:
        raise ValueError("NUL character, or nested too deep")
    return found


def _list(value: Any, separator: str, column: str) -> Any:
    if value is None or isinstance(value, (list, Refusal)):
        return value
    if isinstance(value, str):
        return [part.strip() for part in value.split(separator) if part.strip()]
    return Refusal("NOT_A_LIST", f"{shown(value)} is not a list", f"Write values separated by {separator!r}.", column)
