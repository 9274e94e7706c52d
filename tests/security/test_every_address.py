"""Every address of the product, walked: nobody and outsiders get nothing but what is meant for everyone.

New addresses are found by themselves. One that strangers may open must be named here, with why.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope
from tests.conftest import TenantKit, make_tenant

PUBLIC = {
    "/": "the front page",
    "/login/": "signing in",
    "/login/reset/": "asking for a new password",
    "/robots.txt": "for crawlers",
    "/.well-known/security.txt": "for finders of vulnerabilities (RFC 9116)",
    "/.well-known/intelgraph/keys.json": "public keys",
    "/.well-known/jwks.json": "public keys",
    "/api/v1/openapi.json": "the REST contract",
    "/-/components/": "the gallery of components, without data",
}
SOFT = {
    "/-/preferences/": "keeps the choice of colours in a cookie",
    "/logout/": "ends the caller's own session",
    "/login/code/": "the second step of signing in",
    "/webauthn/assert/options": "begins signing in with a passkey",
    "/api/v1/security-events": "identity providers' events; a token that nobody signed is refused",
    "/account/security/": "the caller's own second factors",
    "/account/security/apps/new/": "the caller's own second factors",
    "/account/security/recovery-codes/": "the caller's own second factors",
    "/account/acting/stop/": "the caller's own time in a tenant",
    "/account/password/": "the caller's own password",
    "/audit/": "the caller's own tenants",
    "/developers/": "addresses and documents, the same for everyone signed in",
    "/developers/schema.graphql": "the schema, the same for everyone signed in",
    "/account/sessions/": "the caller's own sessions",
    "/account/sessions/end-others/": "the caller's own sessions",
}
OWN_WORDS = {"/api/v1/security-events": "invalid_request"}
"""Doors that refuse in the words of their own standard (RFC 8935)."""
REFUSED = {401, 403, 404, 405}
SIGN_IN = re.compile(r"^/login/")


def addresses(patterns: Any, prefix: str = "") -> Iterator[str]:
    """Yield the route of every view, such as `/t/<slug:slug>/ledger/`."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield "/" + route.replace("^", "").replace("$", "").replace("\\Z", "")


def filled(route: str, slug: str) -> str:
    """Return an address for a route: the tenant's slug where one is asked for, else an id or a word that does not exist."""

    def value(match: re.Match[str]) -> str:
        kind, _, name = match[1].rpartition(":")
        if "slug" in (kind, name):
            return slug
        return {"int": "1", "uuid": str(new_id())}.get(kind, str(new_id()))

    path = re.sub(r"<([^>]+)>", value, route)
    return re.sub(r"\(\?P<\w+>[^)]*\)", "x", path)


ROUTES = sorted(set(addresses(get_resolver().url_patterns)))


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def stranger() -> Client:
    """A signed-in member of another tenant."""
    with no_scope():
        person = make_tenant().member("owner")
        client = Client()
        with system_scope("identity.authenticate"):
            client.force_login(person, backend="apps.identity.backends.AccountBackend")
    return client


def test_the_walk_finds_the_product() -> None:
    assert len(ROUTES) > 25
    assert {"/login/", "/api/v1/mappings/<name>", "/.well-known/jwks.json"} <= set(ROUTES)
    assert set(PUBLIC) | set(SOFT) <= set(ROUTES), "an address that is not there any more"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_nobody_gets_nothing(kit: TenantKit, route: str, method: str) -> None:
    with no_scope():
        answer = Client(enforce_csrf_checks=True).generic(method, filled(route, kit.info.slug))
    told = (route, method, answer.status_code, answer.headers.get("Location", ""))
    if method == "GET" and (route in PUBLIC or route in SOFT):
        assert answer.status_code in {200, 302, 405}, told
        return
    if 300 <= answer.status_code < 400:
        assert SIGN_IN.match(answer.headers["Location"]), told
        return
    if method == "POST" and route in OWN_WORDS:
        assert (answer.status_code, answer.json()["err"]) == (400, OWN_WORDS[route])
        return
    assert answer.status_code in REFUSED, told
    if route.startswith("/api/"):
        assert answer.headers["Content-Type"] == "application/problem+json", told


@pytest.mark.parametrize("route", [route for route in ROUTES if route not in PUBLIC and route not in SOFT])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_outsider_gets_nothing_of_a_tenant(kit: TenantKit, stranger: Client, route: str, method: str) -> None:
    path = filled(route, kit.info.slug)
    with no_scope():
        answer = stranger.generic(
            method, path, headers={"Origin": "http://127.0.0.1:8000", "x-ig-tenant": kit.info.slug}
        )
    told = (route, method, answer.status_code, answer.headers.get("Location", ""))
    if 300 <= answer.status_code < 400:
        assert SIGN_IN.match(answer.headers["Location"]), told
        return
    assert answer.status_code in REFUSED, told
