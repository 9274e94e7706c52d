"""What this release says of itself to programs: its schema, its persisted documents, its changelog. Read from its files."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SDL = ROOT / "schema.graphql"
DOCUMENTS = ROOT / "contracts" / "graphql" / "documents"
CHANGELOG = ROOT / "CHANGELOG.md"
_HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<day>\d{4}-\d\d-\d\d))?")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@dataclass(frozen=True, slots=True)
class Persisted:
    """A persisted document as developers meet it."""

    id: str
    operation: str
    hash: str
    roles: tuple[str, ...]
    cost: int
    text: str

    @property
    def file_name(self) -> str:
        """The name of its file: `search.v1.graphql`."""
        return f"{self.id.replace(':', '.')}.graphql"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a version changed: its name, its day (empty while it is not released), and lines by kind of change."""

    name: str
    day: str
    kinds: tuple[tuple[str, tuple[str, ...]], ...]


@cache
def sdl() -> str:
    """Return the schema of this release."""
    return SDL.read_text(encoding="utf-8")


@cache
def documents() -> tuple[Persisted, ...]:
    """Return the persisted documents of this release, by id."""
    listed: list[dict[str, Any]] = json.loads((DOCUMENTS / "persisted.json").read_text(encoding="utf-8"))
    return tuple(
        Persisted(
            one["id"],
            one["operation"],
            one["hash"],
            tuple(one["roles"]),
            one["cost"],
            (DOCUMENTS / f"{one['id'].replace(':', '.')}.graphql").read_text(encoding="utf-8"),
        )
        for one in listed
    )


def document(id_: str) -> Persisted | None:
    """Return the document of that id, such as `search:v1`, or None."""
    return next((one for one in documents() if one.id == id_), None)


@cache
def changelog() -> tuple[Changes, ...]:
    """Return the changelog (Keep a Changelog), newest version first."""
    return parse_changelog(CHANGELOG.read_text(encoding="utf-8"))


def parse_changelog(text: str) -> tuple[Changes, ...]:
    """Return the versions of a changelog in the form of Keep a Changelog. Links and code marks are left out."""
    found: list[tuple[str, str, dict[str, list[str]]]] = []
    kind = ""
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            found.append((heading["name"], heading["day"] or "", {}))
            kind = ""
        elif found and line.startswith("### "):
            kind = line[4:].strip()
            found[-1][2].setdefault(kind, [])
        elif found and kind and line.startswith("- "):
            found[-1][2][kind].append(_plain(line[2:]))
        elif found and kind and line.startswith("  ") and found[-1][2][kind]:
            found[-1][2][kind][-1] += f" {_plain(line.strip())}"
    return tuple(
        Changes(name, day, tuple((word, tuple(lines)) for word, lines in kinds.items() if lines))
        for name, day, kinds in found
    )


def _plain(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("`", "").strip()
