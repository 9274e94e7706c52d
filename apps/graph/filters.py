"""Filters of lists and search: parsed once, then split by which index serves them. No Django.

`{field: value | {operator: value}}`. Fields of the entity compare as text, number or time; `properties.NAME` compares
by SQL/JSON path. Every comparison left in plain SQL is leakproof, so indexes work behind row-level security; tags
and properties go through a read function.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apps.core.errors import InvalidInput

OPERATORS = ("eq", "in", "prefix", "gt", "gte", "lt", "lte", "exists")
_SQL = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_COLUMNS: dict[str, tuple[str, str]] = {
    "kind": ("e.kind", "text"),
    "externalId": ("e.external_id", "text"),
    "name": ("e.name", "text"),
    "dataClass": ("e.data_class", "text"),
    "retentionTier": ("e.retention_tier", "text"),
    "redactionPolicy": ("e.redaction_policy", "text"),
    "licence": ("e.licence", "text"),
    "source": ("e.source", "text"),
    "region": ("e.region", "text"),
    "version": ("e.version", "int"),
    "createdAt": ("e.created_at", "time"),
    "updatedAt": ("e.updated_at", "time"),
}
_TAGS = {
    "dataClass": "d",
    "retentionTier": "r",
    "redactionPolicy": "x",
    "source": "s",
    "licence": "l",
    "region": "g",
    "purposes": "p",
}
FIELDS = (*_COLUMNS, "purposes", "properties.NAME")
MAX_FILTERS = 20
MAX_VALUES = 100
LEXEME_CHARACTERS = 200
"""Of a longer tag the search column holds the beginning."""
LAST_CHARACTER = "\U0010ffff"


@dataclass(slots=True)
class Plan:
    """Where each condition goes.

    `where` and `params`: leakproof SQL over `graph_entity e`. `tags`: groups of lexemes, any of a group, all groups.
    `path`: a SQL/JSON path predicate over properties. `keys`: properties that must exist. `checks`: what no index
    answers about them. `kinds`: the kinds wanted, if `kind` was compared by equality. `starts`: a lexeme must start so.
    """

    where: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    tags: list[list[str]] = field(default_factory=list)
    path: str = ""
    keys: list[str] = field(default_factory=list)
    checks: str = ""
    starts: list[str] = field(default_factory=list)
    kinds: list[str] | None = None

    @property
    def indexed_elsewhere(self) -> bool:
        """True when tags or properties narrow the list: then the read function finds the rows."""
        return bool(self.tags or self.starts or self.properties)

    @property
    def properties(self) -> bool:
        """True when properties narrow the list."""
        return bool(self.path or self.keys or self.checks)

    def tag_query(self) -> str | None:
        """Return the tags in the text form of tsquery, or None."""
        groups = ["(" + " | ".join(_lexeme(word) for word in group) + ")" for group in self.tags]
        return " & ".join(groups + [f"{_lexeme(start)}:*" for start in self.starts]) or None


def _lexeme(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _wrong(name: str, message: str, mend: str | None = None) -> InvalidInput:
    return InvalidInput(f"filter {name[:80]!r}: {message}", field="filters", mend=mend)


def parse(filters: Any, *, kind: str | None = None) -> Plan:
    """Return the plan for `filters` (None: no filter) and the `kind` argument.

    Raises InvalidInput naming the field and what is wrong for an unknown field or operator or a value of a wrong type.
    """
    plan = Plan()
    if kind is not None:
        _compare(plan, "kind", "eq", kind)
    if filters is None:
        return plan
    if not isinstance(filters, Mapping):
        raise InvalidInput("filters is not an object", field="filters")
    if len(filters) > MAX_FILTERS:
        raise InvalidInput(f"more than {MAX_FILTERS} filters", field="filters")
    paths: list[str] = []
    checks: list[str] = []
    for name, spec in filters.items():
        name = str(name)
        conditions = spec if isinstance(spec, Mapping) else {"eq": spec}
        if not conditions:
            raise _wrong(name, "names no operator", f"Use one of {', '.join(OPERATORS)}.")
        for operator, value in conditions.items():
            if operator not in OPERATORS:
                raise _wrong(name, f"unknown operator {str(operator)[:40]!r}", f"Use one of {', '.join(OPERATORS)}.")
            if name.startswith("properties.") and len(name) > len("properties."):
                path = _path(name, str(operator), value)
                if operator in {"eq", "in"}:
                    paths.append(path)
                elif operator == "exists" and value:
                    plan.keys.append(name.removeprefix("properties."))
                else:
                    if operator != "exists":
                        plan.keys.append(name.removeprefix("properties."))
                    checks.append(path)
            elif name in _COLUMNS or name == "purposes":
                _compare(plan, name, str(operator), value)
            else:
                raise _wrong(name, "unknown field", f"Use one of {', '.join(FIELDS)}.")
    plan.path = " && ".join(paths)
    plan.checks = " && ".join(checks)
    return plan


def _values(name: str, value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        raise _wrong(name, "`in` needs a list with at least one value")
    if len(value) > MAX_VALUES:
        raise _wrong(name, f"`in` takes at most {MAX_VALUES} values")
    return list(value)


def _typed(name: str, type_: str, value: Any) -> Any:
    if type_ == "text":
        if not isinstance(value, str):
            raise _wrong(name, "the value is not text")
        if "\x00" in value or len(value) > 1000:
            raise _wrong(name, "the text holds NUL or is longer than 1,000 characters")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _wrong(name, "the text holds half of a surrogate pair") from None
        return value
    if type_ == "int":
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
            raise _wrong(name, "the value is not a whole number of 32 bits")
        return value
    if not isinstance(value, str):
        raise _wrong(name, "the value is not a time such as 2026-11-21T00:00:00Z")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise _wrong(name, "the value is not a time such as 2026-11-21T00:00:00Z") from None
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise _wrong(name, "the time is out of range") from None


def _compare(plan: Plan, name: str, operator: str, value: Any) -> None:
    if name == "purposes":
        if operator not in {"eq", "in"}:
            raise _wrong(name, f"operator {operator!r} does not apply", "Use eq or in.")
        plan.tags.append(
            [
                f"p:{_typed(name, 'text', v)[:LEXEME_CHARACTERS]}"
                for v in (_values(name, value) if operator == "in" else [value])
            ]
        )
        return
    column, type_ = _COLUMNS[name]
    if operator in {"eq", "in"}:
        wanted = [_typed(name, type_, v) for v in (_values(name, value) if operator == "in" else [value])]
        if name in _TAGS:
            plan.tags.append([f"{_TAGS[name]}:{v[:LEXEME_CHARACTERS]}" for v in wanted])
        elif name == "kind":
            plan.kinds = wanted if plan.kinds is None else [k for k in plan.kinds if k in wanted]
        else:
            plan.where.append(f"{column} = any(%s)")
            plan.params.append(wanted)
        return
    if operator == "exists":
        if not isinstance(value, bool):
            raise _wrong(name, "`exists` needs true or false")
        if name in _TAGS and not value:
            plan.tags.append([f"{_TAGS[name]}:"])
        elif type_ == "text":
            plan.where.append(f"{column} > ''" if value else f"{column} = ''")
        elif not value:
            plan.where.append("false")
        return
    if operator == "prefix":
        if type_ != "text":
            raise _wrong(name, "`prefix` applies to text only")
        prefix = _typed(name, type_, value)
        if name in _TAGS and 0 < len(prefix) <= LEXEME_CHARACTERS:
            plan.starts.append(f"{_TAGS[name]}:{prefix}")
            return
        plan.where.append(f"{column} >= %s and {column} <= %s")
        plan.params += [prefix, prefix + LAST_CHARACTER]
        return
    plan.where.append(f"{column} {_SQL[operator]} %s")
    plan.params.append(_typed(name, type_, value))


def _literal(name: str, value: Any) -> str:
    """Return a value as a literal of the SQL/JSON path language (the same as JSON's for scalars)."""
    if isinstance(value, str):
        _typed(name, "text", value)
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        if isinstance(value, float) and (value != value or abs(value) == float("inf")):
            raise _wrong(name, "the number is not finite")
        if abs(value) >= 1e300:
            raise _wrong(name, "the number is too large")
        return json.dumps(value)
    raise _wrong(name, "the value is not text, a number, true, false or null")


def _path(name: str, operator: str, value: Any) -> str:
    key = name.removeprefix("properties.")
    _typed(name[:80], "text", key)
    accessor = f"$.{json.dumps(key, ensure_ascii=False)}"
    if operator == "exists":
        if not isinstance(value, bool):
            raise _wrong(name, "`exists` needs true or false")
        return f"exists({accessor})" if value else f"!(exists({accessor}))"
    if operator == "eq":
        return f"({accessor} == {_literal(name, value)})"
    if operator == "in":
        return "(" + " || ".join(f"{accessor} == {_literal(name, v)}" for v in _values(name, value)) + ")"
    if operator == "prefix":
        if not isinstance(value, str):
            raise _wrong(name, "`prefix` needs text")
        return f"({accessor} starts with {_literal(name, value)})"
    if value is None or isinstance(value, bool):
        raise _wrong(name, f"{operator!r} needs text or a number")
    literal = _literal(name, value)
    if literal.startswith("-"):
        literal = f"({literal})"
    return f"({accessor} {_SQL[operator]} {literal})"
