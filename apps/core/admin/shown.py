"""Values as admin pages draw them: each knows the template that draws it. No markup in Python.

Columns and facts of a `PlatformAdmin` return these, or plain values, which `of` turns into them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import orjson

SHORT_HASH = 8


@dataclass(frozen=True, slots=True)
class Text:
    """Words; `code` for ids and the like, `note` stands behind it, quietly."""

    template: ClassVar[str] = "admin/parts/text.html"
    text: str
    code: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Words that lead somewhere inside the admin."""

    template: ClassVar[str] = "admin/parts/link.html"
    text: str
    href: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A word with a tone (neutral, accent, ok, warn, danger, info, sealed, withheld) and an icon."""

    template: ClassVar[str] = "admin/parts/mark.html"
    label: str
    tone: str = "neutral"
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """Several marks beside each other."""

    template: ClassVar[str] = "admin/parts/marks.html"
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, aware; relative to read, absolute on hover and in copy."""

    template: ClassVar[str] = "admin/parts/moment.html"
    at: datetime


@dataclass(frozen=True, slots=True)
class Hash:
    """A hash in hex: its first characters in lists, all of it with a copy button where there is room."""

    template: ClassVar[str] = "admin/parts/hash.html"
    hex: str
    what: str = "hash"

    @property
    def short(self) -> str:
        """The first characters."""
        return self.hex[:SHORT_HASH]

    @classmethod
    def of(cls, value: bytes | memoryview | None, what: str = "hash") -> "Hash | None":
        """Return the hash of these bytes' hex form, None for none."""
        return cls(bytes(value).hex(), what) if value else None


@dataclass(frozen=True, slots=True)
class Copyable:
    """Plain text in full with a copy button: ids, keys, addresses in the object store."""

    template: ClassVar[str] = "admin/parts/copyable.html"
    text: str
    what: str


@dataclass(frozen=True, slots=True)
class Document:
    """A text of several lines in a box of its own: JSON, PEM, a signed note."""

    template: ClassVar[str] = "admin/parts/document.html"
    text: str

    @classmethod
    def of_json(cls, value: Any) -> "Document":
        """Return a value, or the bytes of a JSON text, indented. Bytes that are no JSON are shown as they are."""
        if isinstance(value, (bytes, memoryview)):
            raw = bytes(value)
            try:
                value = orjson.loads(raw)
            except orjson.JSONDecodeError:
                return cls(raw.decode("utf-8", "backslashreplace"))
        return cls(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode())


@dataclass(frozen=True, slots=True)
class Amount:
    """A number with its unit, such as 1204 `events`; `size` shows bytes as people read them."""

    template: ClassVar[str] = "admin/parts/amount.html"
    value: int | float
    unit: str = ""
    size: bool = False


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something that platform staff do not see, and why."""

    template: ClassVar[str] = "admin/parts/withheld.html"
    reason: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """No value."""

    template: ClassVar[str] = "admin/parts/nothing.html"


NOTHING = Nothing()
Shown = Text | Link | Mark | Marks | Moment | Hash | Copyable | Document | Amount | Withheld | Nothing
SHOWN = (Text, Link, Mark, Marks, Moment, Hash, Copyable, Document, Amount, Withheld, Nothing)


def of(value: Any) -> Shown:
    """Return a plain value (a model field's) in the form that suits it."""
    if isinstance(value, SHOWN):
        return value
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return Mark("yes", "neutral", "check") if value else Mark("no", "neutral", "minus")
    if isinstance(value, datetime):
        return Moment(value)
    if isinstance(value, int | float):
        return Amount(value)
    if isinstance(value, UUID):
        return Text(str(value), code=True)
    if isinstance(value, dict):
        return Document.of_json(value)
    if isinstance(value, list | tuple):
        return Text(", ".join(str(part) for part in value))
    return Text(str(value))


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and a value on a detail page; `wide` values stand below their name."""

    label: str
    value: Shown

    @property
    def wide(self) -> bool:
        """True for values that need the whole width."""
        return isinstance(self.value, Document)


@dataclass(frozen=True, slots=True)
class Section:
    """Facts under one heading."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """A small table on a detail page: what belongs to the thing that is shown."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    empty: str
    note: str = ""
    more: Link | None = None

    @property
    def cells(self) -> list[list[Shown]]:
        """The rows in drawable form."""
        return [[of(value) for value in row] for row in self.rows]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list. `matters` columns stay on narrow screens."""

    name: str
    label: str
    matters: bool = False
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list: its key, where it leads, and its cells in order of the columns."""

    pk: str
    href: str
    label: str
    cells: tuple[tuple[Column, Shown], ...] = field(default=())
