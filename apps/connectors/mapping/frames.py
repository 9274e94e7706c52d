"""A block of rows seen by column."""

from collections.abc import Sequence
from typing import Any

from apps.connectors.errors import UnreadableSource
from apps.connectors.types import Block


class Layout:
    """Where columns are: by place in delimited text (`columns` given), by path in JSON."""

    def __init__(self, columns: tuple[str, ...] | None, types: tuple[str, ...] | None, nulls: frozenset[str]) -> None:
        self.columns = columns
        self.nulls = nulls
        self._places = {name: place for place, name in enumerate(columns or ())}
        self._types = dict(zip(columns or (), types or (), strict=False))

    def require(self, column: str, path: str) -> None:
        """Raise UnreadableSource when the source cannot have the column that the mapping names at `path`."""
        if self.columns is not None and column not in self._places:
            raise UnreadableSource(
                "MISSING_COLUMN",
                f"the mapping needs the column {column!r}, which the header does not have",
                field=path,
                mend=f"The header has {', '.join(self.columns[:30])}.",
            )

    def type_of(self, column: str) -> str:
        """Return the type that a typed header gives the column, or ""."""
        return self._types.get(column, "")

    def frame(self, block: Block) -> "Frame":
        """Return the block by column."""
        return Frame(self, block)

    def extract(self, rows: list[Any], column: str) -> Sequence[Any]:
        """Return the column's values, None where there is none."""
        if self.columns is not None:
            place = self._places[column]
            return [row[place] for row in rows]
        if "." not in column:
            return [row.get(column) for row in rows]
        path = column.split(".")
        return [row[column] if column in row else _down(row, path) for row in rows]


class Frame:
    """One block: its columns are fetched once."""

    __slots__ = ("_cache", "_layout", "numbers", "rows")

    def __init__(self, layout: Layout, block: Block) -> None:
        self.rows = block.rows
        self.numbers = block.numbers
        self._layout = layout
        self._cache: dict[str, Sequence[Any]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> Sequence[Any]:
        """Return a column's values, None for absent ones and for the texts that stand for nothing."""
        values = self._cache.get(name)
        if values is None:
            values = self._layout.extract(self.rows, name)
            nulls = self._layout.nulls
            if nulls and not _disjoint(nulls, values):
                values = [None if type(value) is str and value in nulls else value for value in values]
            self._cache[name] = values
        return values


def _disjoint(nulls: frozenset[str], values: Sequence[Any]) -> bool:
    try:
        return nulls.isdisjoint(values)
    except TypeError:  # a value that cannot be hashed: an object or a list
        return False


def _down(row: dict[str, Any], path: list[str]) -> Any:
    value: Any = row
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < 6:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value
