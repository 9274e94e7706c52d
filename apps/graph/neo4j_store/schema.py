"""Schema changes of the graph: numbered files in `apps/graph/cypher/`, applied in order, recorded in the graph."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apps.core.clock import iso
from apps.graph.errors import SchemaDrift
from apps.graph.neo4j_store.writing import Writer

FOLDER = Path(__file__).resolve().parent.parent / "cypher"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name without the ending, the SHA-256 of its text, its statements."""

    name: str
    checksum: str
    statements: tuple[str, ...]


def read(folder: Path = FOLDER) -> list[Migration]:
    """Return the migrations of a folder, in order of their numbers.

    A file is `NNNN_what.cypher`: statements that end with `;` at the end of a line, comments after `//`.
    Raises ValueError for a number that is used twice or skipped.
    """
    found = []
    for number, path in enumerate(sorted(folder.glob("*.cypher")), start=1):
        if not path.name.startswith(f"{number:04d}_"):
            raise ValueError(f"{path.name}: expected number {number:04d}")
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("//")]
        statements = tuple(part.strip() for part in "\n".join(lines).split(";") if part.strip())
        found.append(Migration(path.stem, hashlib.sha256(text.encode()).hexdigest(), statements))
    return found


def migrate(writer: Writer, now: datetime, folder: Path = FOLDER) -> dict[str, tuple[str, str]]:
    """Apply what the graph has not seen yet; return {name: (checksum, applied at)} of all that are applied.

    Statements are written so that they may run twice (`IF NOT EXISTS`): Neo4j commits each alone, and a process that
    dies in between starts the file again. Raises SchemaDrift when an applied file was edited.
    """
    applied = {row["name"]: (row["checksum"], row["applied_at"]) for row in writer.migrations()}
    for migration in read(folder):
        if migration.name in applied:
            if applied[migration.name][0] != migration.checksum:
                raise SchemaDrift(
                    f"{migration.name}.cypher was edited after it had been applied; add a new file instead",
                    retry_after_s=30.0,
                )
            continue
        for statement in migration.statements:
            writer.change_schema(statement)
        with writer.transaction() as batch:
            batch.record_migration(migration.name, migration.checksum, iso(now))
        applied[migration.name] = (migration.checksum, iso(now))
    return applied
