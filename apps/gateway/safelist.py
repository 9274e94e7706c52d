"""The persisted documents of this release: known by id (`search:v1`), by hash and by their text.

Each is a file `NAME.vN.graphql` under `contracts/graphql/documents/`. A document is never edited once it was released: a
change is a new version beside it. `persisted.json` beside them lists them for clients. Pure: no Django.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

_FILE = re.compile(r"^(?P<name>[a-z][a-z0-9-]*)\.(?P<version>v[1-9][0-9]*)\.graphql$")
_HASH = re.compile(r"^(?:sha256[:-])?(?P<hex>[0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class SafeDocument:
    """A document that clients may ask for by name. `version` is its tag, such as `v1`."""

    id: str
    version: str
    sha256: str
    text: str


def safe_document(file_name: str, text: str) -> SafeDocument:
    """Return the document that a file holds. Raises ValueError for a name that is none."""
    found = _FILE.match(file_name)
    if found is None:
        raise ValueError(f"{file_name}: a document's file is called NAME.vN.graphql")
    return SafeDocument(
        f"{found['name']}:{found['version']}", found["version"], sha256(text.encode()).hexdigest(), text
    )


@dataclass(frozen=True, slots=True)
class Safelist:
    """The documents, by what callers may name them by."""

    by_id: Mapping[str, SafeDocument] = field(default_factory=dict)
    by_hash: Mapping[str, SafeDocument] = field(default_factory=dict)
    by_text: Mapping[str, SafeDocument] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[SafeDocument]) -> "Safelist":
        """Return the list of these documents."""
        kept = list(documents)
        return cls({d.id: d for d in kept}, {d.sha256: d for d in kept}, {d.text: d for d in kept})

    def named(self, name: str) -> SafeDocument | None:
        """Return the document of an id (`search:v1`) or a hash (64 hexadecimal digits, `sha256:` before them or not)."""
        found = self.by_id.get(name)
        if found is None and (hashed := _HASH.match(name)) is not None:
            found = self.by_hash.get(hashed["hex"])
        return found

    def like(self, operation: str | None) -> list[str]:
        """Return ids whose name is that of an operation, newest last: what a caller may have meant."""
        if not operation:
            return []
        name = operation.lower()
        return sorted(id_ for id_ in self.by_id if id_.split(":")[0].replace("-", "") == name)


def read_folder(folder: Path) -> Safelist:
    """Return the documents of a folder; an empty list for none. Raises ValueError for a file that is called otherwise."""
    files = sorted(folder.glob("*.graphql")) if folder.is_dir() else []
    return Safelist.of(safe_document(file.name, file.read_text(encoding="utf-8")) for file in files)
