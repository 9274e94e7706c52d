"""From an ASGI scope to an `Arrival`: which headers carry credentials, tenant, purpose, request and trace."""

import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.conf import settings

from apps.core import conf
from apps.core.client import client_of, surroundings
from apps.core.context import SessionFacts
from apps.core.ids import new_id
from apps.gateway.origin import may_open
from apps.gateway.pipeline import Arrival

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the request's headers by lower-case name; of repeated ones the values joined by a comma."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        separator = "; " if key == "cookie" else ", "
        found[key] = f"{found[key]}{separator}{text}" if key in found else text
    return found


def session_key_of(headers: Mapping[str, str]) -> str:
    """Return the value of the session cookie, or an empty text."""
    raw = headers.get("cookie")
    if not raw or settings.SESSION_COOKIE_NAME not in raw:
        return ""
    try:
        morsel = SimpleCookie(raw).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def peer_of(scope: Mapping[str, Any]) -> str:
    """Return the address that the connection comes from."""
    return str((scope.get("client") or ("", 0))[0])


def ip_of(scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Return the client's address: the peer's, or what a trusted proxy says in X-Forwarded-For (its last hop's client)."""
    return client_of(peer_of(scope), headers.get("x-forwarded-for", ""))


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the caller's own request id when it is of a sane form, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.match(given) else str(new_id())


def trace_id_of(headers: Mapping[str, str]) -> str:
    """Return the trace id of a `traceparent` (W3C Trace Context), or an empty text."""
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""


def origin_allowed(headers: Mapping[str, str]) -> bool:
    """Return whether the page that sends this (its Origin) is ours or on the list; no Origin is no page."""
    allowed = [settings.BASE_URL, *conf.get().items_of("IG_ALLOWED_ORIGINS")]
    return may_open(headers.get("origin"), headers.get("host", ""), allowed)


def of_http(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Arrival:
    """Return what an HTTP request says of itself."""
    known = scope.get("ig", {})
    return Arrival(
        authorization=headers.get("authorization", ""),
        session_key=session_key_of(headers),
        tenant=headers.get("x-ig-tenant", ""),
        purpose=headers.get("x-ig-purpose", ""),
        request_id=known.get("request_id") or request_id_of(headers),
        trace_id=trace_id_of(headers),
        around=surroundings(SessionFacts(ip=ip_of(scope, headers)), peer_of(scope), headers),
    )


def of_socket(base: Arrival, payload: Mapping[str, Any]) -> Arrival:
    """Return what a websocket's request and its `connection_init` payload say; payload keys count in any case."""
    told = {key.lower(): value for key, value in payload.items() if isinstance(key, str) and isinstance(value, str)}
    return Arrival(
        authorization=told.get("authorization", base.authorization),
        session_key=base.session_key,
        tenant=told.get("x-ig-tenant", told.get("tenant", base.tenant)),
        purpose=told.get("x-ig-purpose", told.get("purpose", base.purpose)),
        request_id=base.request_id,
        trace_id=base.trace_id,
        around=base.around,
    )
