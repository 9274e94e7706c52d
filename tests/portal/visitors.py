"""People at the portal: Django's test client, signed in, outside any scope (as a request is)."""

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpResponse
from django.test import Client

from apps.core.clock import iso, utc_now
from apps.core.scope import no_scope, system_scope
from apps.identity.session_store import SessionStore
from tests.conftest import TenantKit


class Visitor:
    """A browser without scripts."""

    def __init__(self, slug: str = "", *, csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=csrf)
        self.slug = slug
        self.user_id = ""

    def get(self, path: str, **headers: Any) -> HttpResponse:
        """Open a path; one without a leading slash lies in the visitor's tenant."""
        with no_scope():
            return self.client.get(self.address(path), **headers)

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: Any) -> HttpResponse:
        """Send a form."""
        with no_scope():
            return self.client.post(self.address(path), data or {}, **headers)

    def address(self, path: str) -> str:
        """Return the whole path."""
        return path if path.startswith("/") else f"/t/{self.slug}/{path}"


def text_of(response: HttpResponse) -> str:
    """Return a page's markup."""
    return response.content.decode()


def streamed_bytes(response: HttpResponse) -> bytes:
    """Return all bytes of a streamed answer."""
    with no_scope():
        return b"".join(response)


def signed_in(kit: TenantKit, *roles: str, second_factor: bool = False) -> Visitor:
    """Return a new member with these roles, signed in."""
    user = kit.member(*roles)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "apps.identity.backends.AccountBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["ig_authenticated_at"] = iso(utc_now())
    if second_factor:
        session["ig_second_factor_at"] = iso(utc_now())
    with no_scope(), system_scope("identity.authenticate"):
        session.create()
    visitor = Visitor(kit.info.slug)
    visitor.user_id = str(user.pk)
    visitor.client.cookies["ig_session"] = session.session_key
    return visitor
