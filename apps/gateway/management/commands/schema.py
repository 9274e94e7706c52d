"""`manage.py schema`: prints the schema's SDL, writes it, checks it, and holds changes against the last release.

`--write` puts it into `schema.graphql`; `--check` compares with that file; `--gate` compares with the schema of the last
release (or OLD with NEW, two files) and exits 1 for a breaking change that no deprecation window allows, and for a
persisted document that would not run any more. `--write` and `--check` mean `persisted.json` too.
"""

import difflib
import json
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from graphql import GraphQLError, GraphQLSchema, build_schema

from apps.core.clock import utc_now
from apps.gateway.compatibility import Severity, compare, refused, unannounced
from apps.gateway.persisted import manifest, problems
from apps.gateway.sdl import documents_folder, present_sdl, released_documents, released_file


class Command(BaseCommand):
    help = "Print, write or check the GraphQL schema's SDL; gate its changes"

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--write", action="store_true", help="write schema.graphql")
        what.add_argument("--check", action="store_true", help="exit 1 when schema.graphql is not the present schema")
        what.add_argument("--gate", action="store_true", help="exit 1 for a breaking change that no window allows")
        parser.add_argument(
            "files", nargs="*", metavar="FILE", help="with --gate: OLD and NEW instead of release and present"
        )
        parser.add_argument("--today", help="with --gate: the day to judge by (YYYY-MM-DD)")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked. Raises CommandError with exit code 1 when the check fails."""
        if options["gate"]:
            self._gate(options)
            return
        committed = settings.BASE_DIR / "schema.graphql"
        sdl = present_sdl()
        if options["write"]:
            committed.write_text(sdl, encoding="utf-8")
            manifest_file().write_text(_manifest(), encoding="utf-8")
            names = [committed.name, manifest_file().name]
            self._say(options, {"written": names}, f"wrote {' and '.join(names)}")
        elif options["check"]:
            kept = committed.read_text(encoding="utf-8") if committed.exists() else ""
            difference = list(
                difflib.unified_diff(
                    kept.splitlines(), sdl.splitlines(), committed.name, "present schema", lineterm="", n=1
                )
            )
            if difference:
                self._say(options, {"equal": False, "difference": difference}, "\n".join(difference))
                raise CommandError(
                    "schema.graphql is not the present schema; run manage.py schema --write", returncode=1
                )
            if not manifest_file().exists() or manifest_file().read_text(encoding="utf-8") != _manifest():
                self._say(options, {"equal": False, "difference": []}, "persisted.json is not what the documents say")
                raise CommandError("persisted.json is old; run manage.py schema --write", returncode=1)
            self._say(options, {"equal": True}, "schema.graphql is the present schema")
        else:
            self._say(options, {"sdl": sdl}, sdl.rstrip("\n"))

    def _gate(self, options: dict[str, Any]) -> None:
        if len(options["files"]) not in {0, 2}:
            raise CommandError("--gate takes two files, OLD and NEW, or none", returncode=2)
        try:
            today = date.fromisoformat(options["today"]) if options["today"] else utc_now().date()
        except ValueError:
            raise CommandError(f"{options['today']!r} is not a day such as 2026-11-21", returncode=2) from None
        old, new = map(Path, options["files"] or (released_file(), settings.BASE_DIR / "schema.graphql"))
        before, after = _read(old), _read(new)
        changes = compare(before, after, today)
        shut, unsaid = refused(changes), unannounced(after)
        broken = problems(released_documents(), new.read_text(encoding="utf-8")) if not options["files"] else []
        lines = [
            f"{change.severity.value:9} {'' if change.allowed else 'REFUSED '}{change.description}"
            + (f" ({change.why})" if change.why else "")
            for change in changes
        ]
        counted = {severity.value: sum(c.severity is severity for c in changes) for severity in Severity}
        said = f"{old.name} to {new.name}: {counted['breaking']} breaking, {counted['dangerous']} dangerous"
        self._say(
            options,
            {
                "passes": not shut and not unsaid and not broken,
                "changes": [change.as_document() for change in changes],
                "deprecations": unsaid,
                "documents": broken,
            },
            "\n".join([*lines, *unsaid, *broken, said]),
        )
        if shut or unsaid or broken:
            raise CommandError(f"{len(shut) + len(unsaid) + len(broken)} refused", returncode=1)

    def _say(self, options: dict[str, Any], result: dict[str, Any], words: str) -> None:
        self.stdout.write(json.dumps(result) if options["json"] else words)


def manifest_file() -> Path:
    """Return where the list of persisted documents stands."""
    return documents_folder() / "persisted.json"


def _manifest() -> str:
    return json.dumps(manifest(released_documents()), indent=2) + "\n"


def _read(path: Path) -> GraphQLSchema:
    try:
        return build_schema(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", returncode=2) from None
    except (GraphQLError, TypeError) as error:
        raise CommandError(f"{path} is no schema: {error}", returncode=2) from None
