"""`manage.py signing_key`: make, rotate and list the platform's signing keys."""

import json
import sys
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.context import service_context
from apps.core.errors import IgError
from apps.vault import selectors, services


class Command(BaseCommand):
    """Make, rotate and list signing keys."""

    help = "Make, rotate and list the platform's signing keys."
    requires_system_checks = ()  # they load every page and schema, which this command does not need

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare `ensure`, `rotate`, `list` and `public`."""
        commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
        commands.add_parser("ensure", help="make the key if there is none, retire what is due")
        rotate = commands.add_parser("rotate", help="let a new key sign from now on")
        rotate.add_argument(
            "--overlap-days", type=int, default=7, help="how long the old key's signatures are accepted"
        )
        commands.add_parser("list", help="print keys.json")
        commands.add_parser("public", help="print the active public key in PEM form")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one of the verbs; exits 2 with one line on standard error when it cannot be done."""
        ctx = service_context("signing-key")
        try:
            if options["verb"] == "ensure":
                self.stdout.write(services.ensure_signing_key(ctx).key_id)
            elif options["verb"] == "rotate":
                overlap = timedelta(days=options["overlap_days"])
                self.stdout.write(services.rotate_key(ctx, overlap=overlap).key_id)
            elif options["verb"] == "public":
                self.stdout.write(services.active_signer().public_key_pem, ending="")
            else:
                self.stdout.write(json.dumps(selectors.keys_document(), indent=2))
        except IgError as error:
            self.stderr.write(f"error: {error.message}")
            sys.exit(2)
