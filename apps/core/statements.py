"""Frequent statements: prepared, with parameters sent apart and in binary where the statement says `%b`."""

from collections.abc import Sequence
from typing import Any

from django.db import connections


def run_prepared(alias: str, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of `sql` on a connection of our engine (see `DatabaseWrapper.prepared`).

    Raises Django's database errors, NoTenantScope outside the scope that the alias needs.
    """
    connection: Any = connections[alias]
    rows: list[tuple[Any, ...]] = connection.prepared(sql, params)
    return rows


def compose(template: str, **parts: str) -> str:
    """Return a statement with `{name}` replaced by pieces of SQL.

    The pieces are constants of the code (columns, conditions with `%s`, orders), never input: values are bound.
    """
    return template.format_map(parts)
