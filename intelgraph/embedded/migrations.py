"""Whether anything is left to migrate, found out without starting Django."""

import hashlib
from pathlib import Path
from typing import Any

import psycopg

from intelgraph.embedded.layout import Layout, read_object, write_object

# What decides which migrations there are: ours, those of the pinned packages, the list of installed apps.
PATTERNS = ("apps/*/migrations/*.py", "requirements.txt", "intelgraph/settings.py")


def fingerprint(project: Path) -> str:
    """Return a digest of everything that decides which migrations there are."""
    digest = hashlib.sha256()
    for pattern in PATTERNS:
        for path in sorted(project.glob(pattern)):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(project)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def applied(owner_url: str) -> list[int]:
    """Return number and highest id of the applied migrations that the database knows, `[]` when it knows none.

    Raises psycopg.OperationalError when the database cannot be reached.
    """
    with psycopg.connect(owner_url, connect_timeout=10) as connection:
        try:
            row = connection.execute("SELECT count(*), coalesce(max(id), 0) FROM django_migrations").fetchone()
        except psycopg.errors.UndefinedTable:
            return []
    return [] if row is None else [int(row[0]), int(row[1])]


def are_applied(layout: Layout, project: Path, owner_url: str) -> bool:
    """Return whether the last recorded migration run had the same files and left the database as it is now."""
    return read_object(layout.migrated) == _record(project, owner_url) and bool(applied(owner_url))


def record(layout: Layout, project: Path, owner_url: str) -> None:
    """Record that every migration is applied."""
    write_object(layout.migrated, _record(project, owner_url))


def _record(project: Path, owner_url: str) -> dict[str, Any]:
    return {"files": fingerprint(project), "applied": applied(owner_url)}
