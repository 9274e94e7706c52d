"""The front-end libraries that we carry: which version, under which licence, with which checksums.

`static/vendor/CHECKSUMS.json` is the one table. Templates take versions from it, a test compares it with the files,
and `python -m apps.portal.vendored static/vendor` brings the checksums up to date after a library was replaced.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = "CHECKSUMS.json"


@dataclass(frozen=True, slots=True)
class Library:
    """One library: `files` maps each path inside `<name>/<version>/` to its SHA-256 in hex."""

    name: str
    version: str
    licence: str
    source: str
    use: str
    files: Mapping[str, str]

    @property
    def folder(self) -> str:
        """The library's folder below the vendor folder."""
        return f"{self.name}/{self.version}"


@cache
def libraries(root: Path) -> tuple[Library, ...]:
    """Return the libraries that the table in `root` lists.

    Raises KeyError or ValueError when the table is not of its form.
    """
    table: dict[str, Any] = json.loads((root / TABLE).read_text(encoding="utf-8"))
    return tuple(Library(**entry) for entry in table["libraries"])


def library(root: Path, name: str) -> Library:
    """Return the library of that name. Raises LookupError when the table does not list it."""
    for entry in libraries(root):
        if entry.name == name:
            return entry
    raise LookupError(f"{name} is not among the vendored libraries")


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below `folder`, relative and sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def differences(root: Path) -> list[str]:
    """Return what differs between the table in `root` and the files beside it, one line each; empty when nothing."""
    found: list[str] = []
    listed = {TABLE}
    for entry in libraries(root):
        if "LICENSE" not in entry.files:
            found.append(f"{entry.folder}: carries no LICENSE")
        for name, wanted in entry.files.items():
            path = root / entry.folder / name
            listed.add(f"{entry.folder}/{name}")
            if not path.is_file():
                found.append(f"{entry.folder}/{name}: listed, but missing")
            elif sha256_of(path) != wanted:
                found.append(f"{entry.folder}/{name}: its bytes differ from the checksum")
    found.extend(f"{name}: not listed" for name in files_below(root) if name not in listed)
    return found


def write_table(root: Path) -> None:
    """Rewrite the checksums in the table from the files that are there. Names, versions and licences stay."""
    entries = [
        {
            "name": entry.name,
            "version": entry.version,
            "licence": entry.licence,
            "source": entry.source,
            "use": entry.use,
            "files": {name: sha256_of(root / entry.folder / name) for name in files_below(root / entry.folder)},
        }
        for entry in libraries(root)
    ]
    (root / TABLE).write_text(json.dumps({"libraries": entries}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
