"""What HTTP asks of every operation, walked from the published document: none can be forgotten."""

from typing import Any

import pytest
from django.test import Client

from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.gateway.rest.api import document
from apps.gateway.rest.openapi import operations
from apps.gateway.versions import API_VERSION
from apps.identity import services as identity
from apps.quotas.models import Override
from apps.quotas.selectors import forget_limits
from apps.quotas.types import Measure
from tests.conftest import TenantKit
from tests.rest.conftest import Api, problem_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE")
FILLED = {
    "source": "stix",
    "name": "stix",
    "job_id": str(new_id()),
    "entity_id": str(new_id()),
    "decision_id": str(new_id()),
}


def filled(path: str) -> str:
    return path.removeprefix("/api/v1").format(**FILLED)


def all_operations() -> list[Any]:
    return [
        pytest.param(path, method.upper(), found, id=found["operationId"])
        for path, method, found in operations(document())
    ]


@pytest.mark.parametrize(("path", "method", "found"), all_operations())
def test_nobody_gets_in_without_credentials(api: Api, path: str, method: str, found: dict[str, Any]) -> None:
    for credentials in ({}, {"Authorization": "Bearer igk_0000000000_" + "A" * 43}, {"Authorization": "Basic eDp5"}):
        answer = api.send(method, filled(path), scope="", **credentials)
        assert problem_of(answer, 401)["code"] == "UNAUTHENTICATED"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("path", "method", "found"), all_operations())
def test_each_operation_knows_its_query_and_its_answers_form(
    api: Api, path: str, method: str, found: dict[str, Any]
) -> None:
    assert problem_of(api.send(method, filled(path) + "?unknown=1"), 400)["field"] == "unknown"
    problem_of(api.send(method, filled(path), Accept="image/png"), 406)
    known = [p["name"] for p in found["parameters"] if p["in"] == "query"]
    if known:
        assert problem_of(api.send(method, f"{filled(path)}?{known[0]}=1&{known[0]}=2"), 400)["field"] == known[0]


@pytest.mark.parametrize("path", sorted(document()["paths"]))
def test_each_path_says_what_it_takes(api: Api, path: str) -> None:
    taken = {method.upper() for method in document()["paths"][path]}
    allowed = ", ".join(sorted({*taken, "OPTIONS", *({"HEAD"} if "GET" in taken else set())}))
    for method in METHODS:
        if method not in taken:
            answer = api.send(method, filled(path))
            assert problem_of(answer, 405)["code"] == "METHOD_NOT_ALLOWED" and answer.headers["Allow"] == allowed
    options = api.send("OPTIONS", filled(path))
    assert (options.status_code, options.headers["Allow"], options.content) == (204, allowed, b"")


def test_head_says_what_get_says(api: Api) -> None:
    get, head = api.get("/mappings"), api.send("HEAD", "/mappings")
    assert head.status_code == 200 and not head.content
    for header in ("Content-Type", "Cache-Control", "x-ig-api-version"):
        assert head.headers[header] == get.headers[header]


def test_answers_name_request_version_and_limits(api: Api) -> None:
    answer = api.get("/mappings", x_request_id="my-request.1")
    assert answer.headers["x-request-id"] == "my-request.1" and answer.headers["x-ig-api-version"] == API_VERSION
    assert answer.headers["RateLimit"].startswith('"api";r=') and answer.headers["RateLimit-Policy"].startswith(
        '"api";q='
    )
    assert answer.headers["Cache-Control"] == "no-store"
    for hostile in ("short", "a" * 65, "with space", "<script>alert(1)</script>", "new\tline-in-it"):
        made = api.get("/mappings", x_request_id=hostile).headers["x-request-id"]
        assert made != hostile and len(made) == 36


def test_an_empty_bucket_is_told_with_when_to_come_back(api: Api) -> None:
    Override.objects.create(measure=Measure.API, rate_per_s=0.5, burst=3)
    forget_limits()
    answers = [api.get("/mappings") for _ in range(5)]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    answer = answers[-1]
    problem = problem_of(answer, 429)
    assert (
        problem["code"] == "RATE_LIMITED" and int(answer.headers["Retry-After"]) >= 1 and problem["retry_after_s"] >= 1
    )
    assert answer.headers["RateLimit"].startswith('"api";r=0;')


@pytest.mark.parametrize(
    "path", ["/nothing", "/ingest", "/ingest/a/b", "/ingest/jobs/", "/../x", "/mappings/%2e%2e%2fstix", "/%00"]
)
def test_unknown_addresses_are_problems(api: Api, path: str) -> None:
    problem_of(api.get(path), 404)


def test_broken_code_tells_nothing_but_the_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("apps.connectors.selectors.mappings", broken)
    answer = api.get("/mappings")
    assert problem_of(answer, 500)["code"] == "INTERNAL" and b"secret words" not in answer.content


def test_a_session_works_from_our_own_pages_only(tenant: TenantKit) -> None:
    person = tenant.member("admin")
    client = Client()
    with no_scope(), system_scope("identity.authenticate"):
        client.force_login(person, backend="apps.identity.backends.AccountBackend")

    def send(method: str, **headers: str) -> int:
        with no_scope():
            return client.generic(
                method,
                "/api/v1/mappings/own",
                data='{"format":"stix"}',
                content_type="application/json",
                headers=headers,
            ).status_code

    assert send("PUT", Origin="http://127.0.0.1:8000") == 201
    assert send("PUT", **{"Sec-Fetch-Site": "same-origin"}) == 200
    assert send("GET") == 200
    for foreign in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "cross-site"},
    ):
        assert send("PUT", **foreign) == 403, foreign
    assert send("GET", **{"Sec-Fetch-Site": "cross-site"}) == 403


def test_a_member_of_two_tenants_names_one(tenant: TenantKit, outsider: TenantKit) -> None:
    person = tenant.member("admin")
    with no_scope(), tenant_scope(outsider.info.id):
        identity.add_member(outsider.ctx, user_id=person.id, roles=frozenset({"reader"}))
    client = Client()
    with no_scope(), system_scope("identity.authenticate"):
        client.force_login(person, backend="apps.identity.backends.AccountBackend")

    def status(**headers: str) -> int:
        with no_scope():
            return client.get("/api/v1/ingest/jobs", headers=headers).status_code

    assert status() == 403
    assert status(**{"x-ig-tenant": tenant.info.slug}) == 200
    assert status(**{"x-ig-tenant": outsider.info.slug}) == 403
    assert status(**{"x-ig-tenant": "nobody-knows-it"}) == 404
