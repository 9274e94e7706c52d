"""`manage.py flags check|list|kill|restore`: the registry from the command line.

    check   [--file FILE] [--today DATE] [--json]   flags past their date or out of use; with FILE that file alone, no database
    list    [--json]                                 every flag and where it stands
    kill    KEY --reason TEXT                        throw a kill switch, when no page can be reached
    restore KEY --reason TEXT                        put it back

Exit codes: 0 good (perhaps with warnings), 1 a flag is overdue, or the registry refuses the change, 2 the usage or the
file is wrong (one line on standard error).
"""

import json
import sys
from argparse import ArgumentParser
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils import timezone

from apps.core import conf
from apps.core.clock import fixed
from apps.core.context import Context, service_context
from apps.core.errors import Conflict, IgError, NotFound
from apps.flags import registry, selectors, services
from apps.flags.expiry import findings_of
from apps.flags.types import Finding


def _day(text: str) -> date:
    return date.fromisoformat(text)


class Command(BaseCommand):
    """Flags from the command line."""

    help = "Check the registry of feature flags, list it, throw a kill switch."
    requires_system_checks: tuple[str, ...] = ()  # `check` says itself what is wrong with the file

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the acts."""
        acts = parser.add_subparsers(dest="act", required=True, parser_class=ArgumentParser)
        check = acts.add_parser("check", help="find flags past their date or out of use")
        check.add_argument("--file", type=Path, help="check this file alone, without a database")
        check.add_argument("--today", type=_day, help="pretend that it is this day (YYYY-MM-DD)")
        check.add_argument("--json", action="store_true")
        listed = acts.add_parser("list", help="list every flag and where it stands")
        listed.add_argument("--json", action="store_true")
        for name, about in (("kill", "throw a kill switch"), ("restore", "put a kill switch back")):
            act = acts.add_parser(name, help=about)
            act.add_argument("key")
            act.add_argument("--reason", required=True)
            act.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and exit with the code that says how it went."""
        try:
            code = {"check": self._check, "list": self._list, "kill": self._turn, "restore": self._turn}[
                options["act"]
            ](options)
        except (Conflict, NotFound) as error:
            code = self._refused(error, 1)
        except IgError as error:
            code = self._refused(error, 2)
        except OSError as error:
            self.stderr.write(f"error: {error.filename}: {error.strerror}")
            code = 2
        except DatabaseError as error:
            self.stderr.write(
                f"error: the database cannot be asked ({type(error).__name__}); --file checks a file alone"
            )
            code = 2
        if code:
            sys.exit(code)

    def _refused(self, error: IgError, code: int) -> int:
        mend = f" {error.mend}" if error.mend else ""
        self.stderr.write(f"error: {error.message}.{mend}")
        return code

    def _context(self, options: dict[str, Any]) -> Context:
        ctx = service_context("command-line", region=conf.get().region)
        if options.get("today"):
            ctx = ctx.but(clock=fixed(timezone.make_aware(datetime.combine(options["today"], time()))))
        return ctx

    def _check(self, options: dict[str, Any]) -> int:
        ctx = self._context(options)
        if options["file"] is not None:
            definitions = registry.load(options["file"].read_bytes())
            grace = int(conf.get()["IG_FLAGS_GRACE_DAYS"])
            found = findings_of(definitions.values(), today=ctx.now.date(), grace_days=grace)
            checked = len(definitions)
        else:
            found, checked = selectors.findings(ctx), selectors.count()
        fails = any(one.fails for one in found)
        if options["json"]:
            document = {"passed": not fails, "checked": checked, "findings": [_told(one) for one in found]}
            self.stdout.write(json.dumps(document, indent=2))
        else:
            for one in found:
                self.stdout.write(f"{'FAIL' if one.fails else 'warn'}  {one.key} ({one.owner}): {one.message}")
            self.stdout.write(f"{checked} flags, {len(found)} findings, {sum(one.fails for one in found)} fail")
        return 1 if fails else 0

    def _list(self, options: dict[str, Any]) -> int:
        rows = selectors.everything()
        if options["json"]:
            self.stdout.write(
                json.dumps([{**flag.definition.document, "state": flag.state} for flag in rows], indent=2)
            )
            return 0
        for flag in rows:
            one = flag.definition
            expires = str(one.expires or "never")
            self.stdout.write(f"{flag.state:<9} {one.key:<40} {one.type:<8} {one.scope:<7} {expires:<11} {one.owner}")
        return 0

    def _turn(self, options: dict[str, Any]) -> int:
        verb = services.kill if options["act"] == "kill" else services.restore
        row = verb(self._context(options), key=options["key"], reason=options["reason"])
        told = {"key": row.key, "state": row.state, "version": row.version}
        self.stdout.write(json.dumps(told) if options["json"] else f"{row.key} is {row.state} now")
        return 0


def _told(found: Finding) -> dict[str, Any]:
    return {
        "key": found.key,
        "kind": found.kind.value,
        "fails": found.fails,
        "owner": found.owner,
        "since": str(found.since),
        "message": found.message,
    }
