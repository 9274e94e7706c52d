"""`manage.py schema`: prints the schema's SDL; `--write` puts it into `schema.graphql`; `--check` compares."""

import difflib
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.gateway.sdl import present_sdl


class Command(BaseCommand):
    help = "Print, write or check the GraphQL schema's SDL"

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--write", action="store_true", help="write schema.graphql")
        what.add_argument("--check", action="store_true", help="exit 1 when schema.graphql is not the present schema")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked. Raises CommandError with exit code 1 when the check fails."""
        committed = settings.BASE_DIR / "schema.graphql"
        sdl = present_sdl()
        if options["write"]:
            committed.write_text(sdl, encoding="utf-8")
            self._say(options, {"written": committed.name}, f"wrote {committed.name}")
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
            self._say(options, {"equal": True}, "schema.graphql is the present schema")
        else:
            self._say(options, {"sdl": sdl}, sdl.rstrip("\n"))

    def _say(self, options: dict[str, Any], result: dict[str, Any], words: str) -> None:
        self.stdout.write(json.dumps(result) if options["json"] else words)
