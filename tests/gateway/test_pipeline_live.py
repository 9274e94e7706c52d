"""The five stages, in their order, for keys and for people with a session."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.test import Client

from apps.core.context import Context
from apps.core.errors import Forbidden, InvalidInput, NotFound, StepUpRequired, Unauthenticated
from apps.core.scope import system_scope, tenant_scope
from apps.gateway import pipeline
from apps.gateway.pipeline import Arrival, Passage
from apps.identity import services as identity
from apps.quotas import services as quotas
from apps.quotas.models import Override
from apps.quotas.selectors import forget_limits
from apps.tenants import services as tenancy
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Closed, socket
from tests.gateway.live_server import LiveServer


def session_of(user: Any) -> str:
    """Sign a person in; return the session cookie."""
    client = Client()
    with system_scope("identity.authenticate"):
        client.force_login(user, backend="apps.identity.backends.AccountBackend")
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def cookie(kit: TenantKit) -> str:
    return session_of(kit.member("analyst"))


@contextmanager
def person(live: LiveServer, cookie: str, **headers: str) -> Iterator[Api]:
    api = Api(live.url, **headers)
    api.client.cookies.set(settings.SESSION_COOKIE_NAME, cookie)
    yield api


def test_the_stages_are_five_in_this_order() -> None:
    assert [stage.__name__ for stage in pipeline.STAGES] == [
        "identify",
        "enter_tenant",
        "assess_session",
        "consume_quota",
        "decide",
    ]
    assert pipeline.STAGES[:3] == pipeline.ON_CONNECT
    assert pipeline.STAGES[:4] == pipeline.BEFORE_DOOR


def test_a_person_works_in_the_only_tenant(live: LiveServer, kit: TenantKit, cookie: str) -> None:
    with person(live, cookie) as api:
        me = api.data("{ me { kind roles scopes purpose tenant { slug } } }")["me"]
    assert me == {
        "kind": "user",
        "roles": ["analyst"],
        "scopes": None,
        "purpose": "investigation",
        "tenant": {"slug": kit.info.slug},
    }


def test_a_person_of_two_tenants_names_one(live: LiveServer, kit: TenantKit) -> None:
    other = make_tenant()
    user = kit.member("reader")
    with tenant_scope(other.info.id):
        identity.add_member(other.ctx, user_id=user.id, roles=frozenset({"owner"}))
    cookie = session_of(user)
    with person(live, cookie) as api:
        assert api.data("{ me { tenant { slug } } }")["me"] == {"tenant": None}
        assert api.code("{ graphSummary { entityCount } }") == "FORBIDDEN"
    for named, role in ((kit.info.slug, "reader"), (str(other.info.id), "owner")):
        with person(live, cookie, **{"x-ig-tenant": named}) as api:
            assert api.data("{ me { roles } }")["me"]["roles"] == [role]


def test_strangers_and_the_unknown_look_alike(live: LiveServer, cookie: str) -> None:
    answers = []
    for named in (make_tenant().info.slug, "no-such-tenant", "\u0000", "01990000-0000-7000-8000-000000000001"):
        arrival = Arrival(session_key=cookie, tenant=named)
        with pytest.raises(NotFound) as refused:
            pipeline.admit(arrival)
        answers.append(str(refused.value))
    assert len(set(answers)) == 1


def test_a_foreign_page_cannot_use_a_session(live: LiveServer, cookie: str) -> None:
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        with person(live, cookie, **headers) as api:
            answer = api.post("{ apiVersion }")
        assert answer.status_code == 403
        assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    with person(live, cookie, origin=live.url) as api:
        assert api.post("{ apiVersion }").status_code == 200


def test_a_session_opens_the_websocket(live: LiveServer, kit: TenantKit, cookie: str) -> None:
    with socket(live.ws_url, Origin=live.url, Cookie=f"{settings.SESSION_COOKIE_NAME}={cookie}") as client:
        assert client.init() == {"type": "connection_ack"}
        id_ = client.subscribe("{ me { kind } }")
        assert client.next(id_) == {"me": {"kind": "user"}}


def test_a_session_that_ended_is_nobody(live: LiveServer, kit: TenantKit) -> None:
    user = kit.member("reader")
    cookie = session_of(user)
    with person(live, cookie) as api:
        assert api.post("{ apiVersion }").status_code == 200
        with tenant_scope(kit.info.id):
            identity.remove_member(kit.ctx, user_id=user.id)
        assert api.code("{ graphSummary { entityCount } }") == "FORBIDDEN"
    with person(live, "0" * 32) as api:
        assert api.post("{ apiVersion }").status_code == 401


def test_a_suspended_tenant_lets_nobody_in(live: LiveServer) -> None:
    kit = make_tenant()
    token = kit.key("admin")
    with socket(live.ws_url, token) as client:
        id_ = client.subscribe("subscription ($t: ID!) { changes(tenantId: $t) { eventId } }", t=kit.info.slug)
        client.settle()
        tenancy.change_status(kit.ctx, tenant_id=kit.info.id, to="suspended", reason="test")
        assert Api(live.url, token).post("{ apiVersion }").status_code == 403
        with pytest.raises(Closed) as closed:
            client.next(id_)
        assert closed.value.code == 4403


def test_a_role_that_changed_ends_the_connection(live: LiveServer, kit: TenantKit) -> None:
    user = kit.member("admin")
    with socket(live.ws_url, Origin=live.url, Cookie=f"{settings.SESSION_COOKIE_NAME}={session_of(user)}") as client:
        client.init()
        id_ = client.subscribe("subscription ($t: ID!) { changes(tenantId: $t) { eventId } }", t=kit.info.slug)
        client.settle()
        with tenant_scope(kit.info.id):
            identity.change_roles(kit.ctx, user_id=user.id, roles=frozenset({"reader"}))
        with pytest.raises(Closed) as closed:
            client.next(id_)
        assert closed.value.code == 1012


@pytest.mark.parametrize("facts", [{"risk": "medium"}, {"risk": "high"}])
def test_zero_trust_stands_before_quota_and_policy(
    kit: TenantKit, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[Context] = []
    monkeypatch.setattr(quotas, "consume", lambda ctx, *a: spent.append(ctx))
    ctx = kit.as_role("owner")
    risky = ctx.but(session=type(ctx.session)(**facts))
    with pytest.raises((StepUpRequired, Forbidden)):
        pipeline.walk(Passage(Arrival(), risky, action="graph.entity.read"), pipeline.STAGES[2:])
    assert spent == []


def test_malformed_credentials_and_purposes_are_named() -> None:
    with pytest.raises(Unauthenticated):
        pipeline.admit(Arrival(authorization="Bearer "))
    with pytest.raises(InvalidInput) as refused:
        pipeline.admit(Arrival(purpose="NOT ONE"))
    assert refused.value.field == "x-ig-purpose"


def test_an_empty_bucket_is_told_with_its_headers(live: LiveServer) -> None:
    kit, other = make_tenant(), make_tenant()
    with tenant_scope(kit.info.id):
        Override.objects.create(measure="api", rate_per_s=0.5, burst=5, reason="test", created_by="test")
    forget_limits()
    api = Api(live.url, kit.key("reader"))
    answers = [api.post("{ apiVersion }") for _ in range(8)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 3
    refused = answers[-1]
    assert refused.headers["ratelimit-policy"] == '"api";q=5;w=10'
    assert refused.headers["ratelimit"].startswith('"api";r=0;t=')
    assert 1 <= int(refused.headers["retry-after"]) <= 3
    error = refused.json()["errors"][0]["extensions"]
    assert error["code"] == "RATE_LIMITED"
    assert error["retryAfter"] >= 1
    assert Api(live.url, other.key("reader")).post("{ apiVersion }").status_code == 200
    with socket(live.ws_url, kit.key("reader")) as client:
        client.subscribe("{ apiVersion }")
        message = client.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")


def test_nobody_has_a_small_bucket_per_address(live: LiveServer) -> None:
    with httpx.Client() as client:
        answers = [client.post(f"{live.url}/graphql", json={"query": "{ apiVersion }"}).status_code for _ in range(500)]
    assert answers[0] == 401
    assert answers[-1] == 429
