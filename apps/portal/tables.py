"""Lists: what the address of a list says, and what the table component draws from it. Pure.

Everything that shapes a list stands in its address (search, filters, sort, cursor, hidden columns), so that a list can
be linked, and works with scripts off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from apps.portal.types import Column, Empty, Filter, Kept, Row, Withheld

DENSITIES = ("comfortable", "compact")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The state of a list. `sort` is a column key, with `-` in front for descending."""

    path: str
    q: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    sort: str = ""
    after: str = ""
    hidden: frozenset[str] = frozenset()

    @classmethod
    def parse(
        cls, path: str, parameters: Mapping[str, str], *, filters: Sequence[str], sorts: Sequence[str]
    ) -> "ListQuery":
        """Return the state that an address carries. An unknown sort or filter is left out, not refused."""
        sort = parameters.get("sort", "")
        return cls(
            path=path,
            q=parameters.get("q", "").strip()[:200],
            filters={key: parameters[key][:200] for key in filters if parameters.get(key)},
            sort=sort if sort.lstrip("-") in sorts else "",
            after=parameters.get("after", "")[:1000],
            hidden=frozenset(part for part in parameters.get("hide", "").split(",") if part),
        )

    def href(self, **changes: str) -> str:
        """Return the address of this list with `changes`; an empty value removes. A change goes back to the start."""
        values = {"q": self.q, **self.filters, "sort": self.sort, "hide": ",".join(sorted(self.hidden)), "after": ""}
        values.update(changes)
        said = {key: value for key, value in values.items() if value}
        return f"{self.path}?{urlencode(said)}" if said else self.path

    @property
    def state(self) -> dict[str, str]:
        """Search, filters and order, of which is there something: what is worth keeping under a name."""
        return {key: value for key, value in {"q": self.q, **self.filters, "sort": self.sort}.items() if value}

    @property
    def narrowed(self) -> bool:
        """True when a search or filter is on."""
        return bool(self.q or self.filters)


@dataclass(frozen=True, slots=True)
class Head:
    """A column's heading: where a click sorts to, and how it is sorted now (`ascending`, `descending`, empty)."""

    column: Column
    href: str = ""
    sorted: str = ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter value to click: on or off, and where the click leads."""

    label: str
    href: str
    on: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """All that the table component draws.

    `total` counts the whole list; `about` stands before it when it is not exact (`About`, `More than`). `withheld` are
    rows of this page that the viewer does not see.
    """

    id: str
    caption: str
    query: ListQuery
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: Empty
    filters: tuple[Filter, ...] = ()
    search_label: str = ""
    search_hint: str = ""
    next_cursor: str = ""
    total: int | None = None
    about: str = ""
    noun: str = "row"
    nouns: str = ""
    withheld: Withheld | None = None
    density: str = "comfortable"
    kept: Kept | None = None

    @property
    def heads(self) -> tuple[Head, ...]:
        """The headings of the visible columns."""
        return tuple(self._head(column) for column in self.shown)

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns that are not hidden."""
        return tuple(column for column in self.columns if not column.optional or column.key not in self.query.hidden)

    @property
    def choices(self) -> tuple[tuple[Column, bool, str], ...]:
        """(column, shown, address that flips it) for each column that may be hidden."""
        return tuple(
            (
                column,
                column.key not in self.query.hidden,
                self.query.href(hide=",".join(sorted(self.query.hidden ^ {column.key}))),
            )
            for column in self.columns
            if column.optional
        )

    @property
    def chips(self) -> tuple[tuple[Filter, tuple[Chip, ...]], ...]:
        """(filter, its chips); a chip that is on leads to the list without it."""
        return tuple(
            (
                one,
                tuple(
                    Chip(
                        option.label,
                        self.query.href(**{one.key: "" if option.value == one.chosen else option.value}),
                        option.value == one.chosen,
                        option.count,
                    )
                    for option in one.options
                ),
            )
            for one in self.filters
        )

    @property
    def lines(self) -> tuple[tuple[Row, tuple[tuple[Column, object], ...]], ...]:
        """(row, ((column, cell), …)) for the visible columns."""
        return tuple((row, tuple((column, row.cells.get(column.key)) for column in self.shown)) for row in self.rows)

    @property
    def first_href(self) -> str:
        """The first page's address, empty on the first page."""
        return self.query.href() if self.query.after else ""

    @property
    def next_href(self) -> str:
        """The next page's address, empty on the last page."""
        return self.query.href(after=self.next_cursor) if self.next_cursor else ""

    @property
    def clear_href(self) -> str:
        """The address of the list without search and filters."""
        return self.query.href(q="", **{one.key: "" for one in self.filters})

    def _head(self, column: Column) -> Head:
        if not column.sortable:
            return Head(column)
        state = {column.key: "ascending", f"-{column.key}": "descending"}.get(self.query.sort, "")
        flip = f"-{column.key}" if state == "ascending" else column.key
        return Head(column, self.query.href(sort=flip), state)
