"""The licences of data that pages show: their short name, the notice that must stand beside the data, the full text.

The notice is what the data itself carries in its licence field. `fixtures/licences.json` says where the full text of
well-known licences stands, so that it can travel with the data as they ask.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


@dataclass(frozen=True, slots=True)
class FullText:
    """A licence whose text we carry: the key in addresses, its title, how a licence field begins that means it."""

    key: str
    title: str
    begins: str
    file: str

    def read(self) -> str:
        """Return the text."""
        return (FIXTURES / self.file).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Notice:
    """A licence as pages show it: `name` in a chip, `notice` beside the data, `key` of the full text or empty."""

    name: str
    notice: str
    key: str = ""


@cache
def full_texts() -> tuple[FullText, ...]:
    """Return the licences whose text we carry. Raises KeyError or ValueError when the table is not of its form."""
    table = json.loads((FIXTURES / "licences.json").read_text(encoding="utf-8"))
    return tuple(FullText(**entry) for entry in table["licences"])


def by_key(key: str) -> FullText | None:
    """Return the licence of that key, or None."""
    return next((one for one in full_texts() if one.key == key), None)


def notice_of(licence: str) -> Notice | None:
    """Return the notice that a licence field asks for, None for an empty field."""
    text = licence.strip()
    if not text:
        return None
    name, _, _ = text.partition(". ")
    known = next((one for one in full_texts() if text.startswith(one.begins)), None)
    return Notice(name.rstrip("."), text, known.key if known else "")


def notices_of(licences: set[str]) -> tuple[Notice, ...]:
    """Return the notices of several licence fields, each once, by name."""
    found = {one.notice: one for one in map(notice_of, licences) if one is not None}
    return tuple(sorted(found.values(), key=lambda one: one.name))
