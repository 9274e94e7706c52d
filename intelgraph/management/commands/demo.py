"""`manage.py demo load` and `manage.py demo cookie EMAIL [--step-up]`; embedded mode only."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management.base import BaseCommand, CommandError

from apps.connectors import services as connectors
from apps.core import conf
from apps.core.clock import iso, utc_now
from apps.identity import selectors as people
from apps.identity.session_store import SessionStore
from intelgraph import demo


class Command(BaseCommand):
    help = "Load the demo, or print the cookie of a signed-in session (embedded mode only)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`load`, or `cookie EMAIL`."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("load", help="make the demo tenants, people, keys and data; writes demo.json last")
        cookie = verbs.add_parser("cookie", help="print name=value of a signed-in session")
        cookie.add_argument("email")
        cookie.add_argument("--step-up", action="store_true", help="with a fresh second factor")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked. Raises CommandError outside embedded mode or for an unknown account."""
        if not conf.get().embedded:
            raise CommandError("the demo is for embedded mode only (IG_MODE=embedded)")
        if options["verb"] == "load":
            path = demo.load(connectors.bring_demo_data, self.stdout.write)
            self.stdout.write(f"demo loaded: {path}")
            return
        user = people.user_by_email(options["email"])
        if user is None or not user.is_active:
            raise CommandError(f"there is no account {options['email']}")
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "apps.identity.backends.AccountBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session["ig_authenticated_at"] = iso(utc_now())
        if options["step_up"]:
            device = people.first_device(user)
            if device is None:
                raise CommandError(f"{options['email']} has no second factor")
            session["otp_device_id"] = device
            session["ig_second_factor_at"] = iso(utc_now())
        session.create()
        self.stdout.write(f"{django_settings.SESSION_COOKIE_NAME}={session.session_key}")
