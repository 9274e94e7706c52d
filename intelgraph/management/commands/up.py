"""`manage.py up`: run the product with its own PostgreSQL and Redis."""

import os
import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Become the supervisor, which needs neither Django nor a database."""

    help = "Run PostgreSQL, Redis, web, worker, relay and scheduler in this terminal (PORT, VAR, DEMO=0)."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the supervisor's own options as they are."""
        parser.add_argument("supervisor", nargs=REMAINDER, help="see `python -m intelgraph.embedded --help`")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace this process, so that signals reach the supervisor and nothing of Django stays in memory."""
        os.execv(sys.executable, [sys.executable, "-m", "intelgraph.embedded", *options["supervisor"]])  # noqa: S606 - no shell is the point
