"""People of the platform's staff: Django's test client, signed in, outside any scope (as a request is)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import iso, utc_now
from apps.core.context import service_context
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, no_scope, system_scope
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.identity.session_store import SessionStore
from apps.ledger import selectors as ledger
from apps.ledger.types import Told
from tests.conftest import PASSWORD

STALE = timedelta(hours=2)


class Staff:
    """A browser without scripts, in the hands of somebody."""

    def __init__(self, user: Any, client: Client) -> None:
        self.user = user
        self.client = client

    def get(self, path: str) -> HttpResponse:
        """Open an address."""
        with no_scope():
            return self.client.get(path)

    def post(self, path: str, data: dict[str, Any] | None = None) -> HttpResponse:
        """Send a form."""
        with no_scope():
            return self.client.post(path, data or {})


def session_of(user: Any, *, second_factor: bool, fresh: bool = True) -> Client:
    """Return a client that is signed in as this account."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "apps.identity.backends.AccountBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["ig_authenticated_at"] = iso(utc_now())
    if second_factor:
        session["otp_device_id"] = people.first_device(user)
        session["ig_second_factor_at"] = iso(utc_now() if fresh else utc_now() - STALE)
    with no_scope(), system_scope("identity.authenticate"):
        session.create()
    client = Client()
    client.cookies["ig_session"] = session.session_key
    return client


def staff(*roles: str, second_factor: bool = True, fresh: bool = True) -> Staff:
    """Return someone new with these platform roles, signed in."""
    ctx = service_context("test")
    with no_scope():
        user = identity.create_user(
            ctx, email=f"s{new_id().hex}@staff.example", password=PASSWORD, name="Staff", platform_roles=roles
        )
        identity.enrol_second_factor(ctx, user=user)
    return Staff(user, session_of(user, second_factor=second_factor, fresh=fresh))


def text_of(response: HttpResponse) -> str:
    """Return a page's markup."""
    return response.content.decode()


def words_of(response: HttpResponse) -> str:
    """Return a page's words, without markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", text_of(response)).split())


def told(tenant_id: Any, *types: str) -> list[Told]:
    """Return the records of these types in a tenant's ledger, newest first."""
    with no_scope(), system_scope("portal.admin"):
        return ledger.told(tenant_id, types)


def told_of_platform(*types: str) -> list[Told]:
    """Return the records of these types in the platform's own ledger, newest first."""
    return told(PLATFORM_TENANT_ID, *types)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the SQL that runs inside the block, on both connections."""
    collected: list[str] = []
    with CaptureQueriesContext(connections["default"]) as app, CaptureQueriesContext(connections["system"]) as system:
        yield collected
    collected += [query["sql"] for query in [*app.captured_queries, *system.captured_queries]]
