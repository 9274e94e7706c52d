"""OFREP: OpenFeature's protocol, the product's credentials, hostile contexts."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.scope import no_scope
from apps.flags import services
from apps.flags.types import ErrorCode
from apps.gateway.ofrep import ContextRefused, context_in
from tests.conftest import TenantKit, make_tenant
from tests.flags.test_registry import CTX, make, row_of
from tests.gateway.live_server import LiveServer, running

BASE = "/ofrep/v1/evaluate/flags"


class Asker:
    """Asks as a key of one tenant."""

    def __init__(self, kit: TenantKit, scope: str = "reader") -> None:
        with no_scope():
            self.token = kit.key(scope)

    def ask(self, key: str = "", context: Any = None, *, body: Any = None, **headers: str) -> HttpResponse:
        """Evaluate one flag (or all of them) with a context, or send `body` as it is."""
        named = {"Authorization": f"Bearer {self.token}", **{n.replace("_", "-"): v for n, v in headers.items()}}
        data = body if body is not None else json.dumps({"context": context or {}})
        with no_scope():
            return Client().generic(
                "POST", f"{BASE}/{key}" if key else BASE, data, headers=named, content_type="application/json"
            )


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def asker(kit: TenantKit) -> Asker:
    return Asker(kit)


@pytest.mark.parametrize("scope", ["reader", "writer", "admin"])
def test_every_key_may_ask(kit: TenantKit, scope: str) -> None:
    assert Asker(kit, scope).ask("connectors.ingest").status_code == 200


TYPES: list[tuple[str, Any]] = [
    ("boolean", True),
    ("string", "größer"),
    ("integer", 12),
    ("float", 2.5),
    ("object", {"retries": 3, "hosts": ["a", None]}),
]


@pytest.mark.parametrize(("kind", "wanted"), TYPES)
def test_a_flag_of_each_type(asker: Asker, kind: str, wanted: Any) -> None:
    key = make(type=kind, variants={"only": wanted}, default="only")
    answer = asker.ask(key)
    assert answer.status_code == 200
    assert answer.json() == {"key": key, "value": wanted, "reason": "STATIC", "variant": "only"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["RateLimit-Policy"]


def test_targeting_reasons_and_the_kill_switch(kit: TenantKit, asker: Asker) -> None:
    key = make(rules=[{"when": {"tenants": [kit.info.slug]}, "serve": "on"}])
    assert asker.ask(key).json()["reason"] == "TARGETING_MATCH"
    split = make(rules=[{"split": {"on": 100}}])
    assert asker.ask(split).json() == {"key": split, "value": True, "reason": "SPLIT", "variant": "on"}
    services.kill(CTX, key=key, reason="now")
    assert asker.ask(key).json() == {"key": key, "value": False, "reason": "DISABLED", "variant": "off"}


def test_the_tenant_is_the_credentials_and_never_the_contexts(kit: TenantKit, asker: Asker) -> None:
    other = make_tenant()
    key = make(rules=[{"when": {"tenants": [kit.info.slug]}, "serve": "on"}])
    mine = make()
    services.target_tenant(
        CTX, key=mine, tenant_id=kit.info.id, variant="on", expected_version=row_of(mine).version, reason="a test"
    )
    claims = {
        name: value
        for name in ("tenant", "tenants", "tenantId", "tenant_id", "tenant_slug", "ig.tenant", "ig.tenant_id")
        for value in (kit.info.slug,)
    }
    claims |= {"tenantId": str(kit.info.id), "ig.tenant_id": str(kit.info.id), "targetingKey": str(kit.info.id)}
    stranger = Asker(other)
    for flag in (key, mine):
        assert asker.ask(flag).json()["value"] is True
        assert stranger.ask(flag, claims).json()["value"] is False
        assert {one["key"]: one["value"] for one in stranger.ask(context=claims).json()["flags"]}[flag] is False
    with no_scope():
        forced = stranger.ask(key, x_ig_tenant=kit.info.slug)
    assert (forced.status_code, "value" in forced.json()) == (404, False)


def test_a_region_is_the_tenants_and_never_the_contexts(asker: Asker) -> None:
    key = make(rules=[{"when": {"regions": ["us-east-1"]}, "serve": "on"}])
    assert asker.ask(key, {"region": "us-east-1", "regions": "us-east-1"}).json()["value"] is False
    assert Asker(make_tenant("us-east-1")).ask(key, {"region": "eu-west-1"}).json()["value"] is True


def test_attributes_are_the_clients_word(asker: Asker) -> None:
    key = make(rules=[{"when": {"attributes": {"beta": True, "os": {"in": ["linux", "bsd"]}}}, "serve": "on"}])
    assert asker.ask(key, {"beta": True, "os": "bsd"}).json()["value"] is True
    assert asker.ask(key, {"beta": "true", "os": "bsd"}).json()["value"] is False


def test_what_is_wrong_has_the_protocols_code(asker: Asker) -> None:
    by_person = make(scope="global", rules=[{"split": {"on": 50}}])
    hidden = make(remote=False)
    archived = make()
    services.archive(CTX, key=archived, reason="a test")
    for key, context, body, status, code in (
        ("no.such.flag", {}, None, 404, "FLAG_NOT_FOUND"),
        (hidden, {}, None, 404, "FLAG_NOT_FOUND"),
        (archived, {}, None, 404, "FLAG_NOT_FOUND"),
        (by_person, {}, None, 400, "TARGETING_KEY_MISSING"),
        (by_person, {"targetingKey": 7}, None, 400, "INVALID_CONTEXT"),
        (by_person, None, "{", 400, "PARSE_ERROR"),
        (by_person, None, "[]", 400, "PARSE_ERROR"),
        (by_person, None, "{}", 400, "INVALID_CONTEXT"),
        (by_person, None, '{"context": []}', 400, "INVALID_CONTEXT"),
    ):
        answer = asker.ask(key, context, body=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (status, code), (key, body, answer.content)
        assert answer.json()["key"] == key
        assert answer.json()["errorDetails"]
        assert "value" not in answer.json()
    assert asker.ask(by_person, {"targetingKey": "person-1"}).json()["reason"] in {"SPLIT", "DEFAULT"}


def test_all_flags_at_once_and_304_while_nothing_changes(asker: Asker) -> None:
    shown, hidden = make(), make(remote=False)
    answer = asker.ask()
    found = {one["key"]: one for one in answer.json()["flags"]}
    assert found[shown] == {"key": shown, "value": False, "reason": "STATIC", "variant": "off"}
    assert {"subs.optimizedBuffer", "connectors.ingest"} <= set(found)
    assert hidden not in found
    assert [*found] == sorted(found)
    tag = answer.headers["ETag"]
    for asked in (tag, f"W/{tag}", tag.strip('"'), f'"x", {tag}', "*"):
        again = asker.ask(If_None_Match=asked)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert asker.ask(If_None_Match='"other"').status_code == 200
    services.kill(CTX, key=shown, reason="now")
    changed = asker.ask(If_None_Match=tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert {one["key"]: one for one in changed.json()["flags"]}[shown]["reason"] == "DISABLED"


def test_in_bulk_one_flags_error_is_its_own(asker: Asker) -> None:
    by_person = make(scope="global", rules=[{"split": {"on": 50}}])
    found = {one["key"]: one for one in asker.ask().json()["flags"]}
    assert found[by_person]["errorCode"] == "TARGETING_KEY_MISSING"
    assert found["connectors.ingest"]["value"] is True


def test_who_may_not_ask_is_told_nothing(kit: TenantKit) -> None:
    nobody = Client().post(f"{BASE}/connectors.ingest", {"context": {}}, content_type="application/json")
    assert nobody.status_code == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
    for token in ("igk_wrong", "x.y.z", ""):
        refused = Client().post(BASE, {}, content_type="application/json", headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 401
        assert set(refused.json()) >= {"errorDetails", "code", "request_id"}
        assert "flags" not in refused.json()


def test_another_sites_page_may_not_ask_with_a_persons_session(kit: TenantKit) -> None:
    from apps.core.scope import system_scope

    client = Client()
    with no_scope(), system_scope("identity.authenticate"):
        client.force_login(kit.member("developer"), backend="apps.identity.backends.AccountBackend")
    with no_scope():
        foreign = client.post(
            BASE, {"context": {}}, content_type="application/json", headers={"Origin": "https://evil.example"}
        )
        ours = client.post(
            BASE, {"context": {}}, content_type="application/json", headers={"Origin": "http://127.0.0.1:8000"}
        )
    assert (foreign.status_code, ours.status_code) == (403, 200)


def test_other_methods_and_media_are_refused(asker: Asker) -> None:
    headers = {"Authorization": f"Bearer {asker.token}"}
    got = Client().get(BASE, headers=headers)
    assert (got.status_code, got.headers["Allow"]) == (405, "OPTIONS, POST")
    assert Client().post(BASE, "context=1", content_type="text/plain", headers=headers).status_code == 415


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "context",
    [
        {"a": "x" * 70_000},
        {"a": "x" * 2_001},
        {"x" * 101: 1},
        {str(number): number for number in range(101)},
        {"a": list(range(1_001))},
        {"a": nested(6)},
        {"targetingKey": "x" * 501},
        {"targetingKey": ["x"]},
        {"targetingKey": None},
    ],
)
def test_a_hostile_context_is_refused(asker: Asker, context: dict[str, Any]) -> None:
    for key in ("connectors.ingest", ""):
        answer = asker.ask(key, context)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_CONTEXT")


@pytest.mark.parametrize(
    "body",
    [b"[" * 50_000, b'{"context":' * 5_000, b'{"context":{"a":NaN}}', b'{"context":{"a":1e999}}', b"\xff\xfe", b"\x00", b" ", b'{"context":{"a":"\\ud800"}}'],
)  # fmt: skip
def test_a_hostile_body_is_refused(asker: Asker, body: bytes) -> None:
    answer = asker.ask("connectors.ingest", body=body)
    assert answer.status_code == 400
    assert answer.json()["errorCode"] in {"PARSE_ERROR", "INVALID_CONTEXT"}


@pytest.mark.parametrize(
    "key", ["%00", "..%2F..", "a" * 3_000, "%F0%9F%98%80", "'; drop table flags_flag; --", "a%0d%0ab"]
)
def test_a_hostile_key_is_no_flag(asker: Asker, key: str) -> None:
    answer = asker.ask(key)
    assert answer.status_code == 404


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES | st.fixed_dictionaries({"context": VALUES}))
@settings(max_examples=200)
def test_whatever_is_sent_is_a_context_or_refused(document: Any) -> None:
    try:
        found = context_in(orjson.dumps(document))
    except ContextRefused as refused:
        assert refused.code in {ErrorCode.PARSE_ERROR, ErrorCode.INVALID_CONTEXT}
    else:
        assert isinstance(found, dict)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_context_or_refused(body: bytes) -> None:
    try:
        context_in(body)
    except ContextRefused as refused:
        assert refused.message


def test_a_kill_reaches_a_running_web_process_within_a_second(tmp_path: Path) -> None:
    """Thrown here, seen there; and with the process's Redis away it looks for itself."""
    kit = make_tenant()
    token = kit.key("reader")
    for extra in ({}, {"REDIS_URL": "redis://127.0.0.1:1/0"}):
        key = make(default="on")
        with running(tmp_path, **extra) as server, httpx.Client(timeout=10) as client:

            def value(key: str = key, client: httpx.Client = client, server: LiveServer = server) -> bool:
                answer = client.post(
                    f"{server.url}{BASE}/{key}", json={"context": {}}, headers={"Authorization": f"Bearer {token}"}
                )
                return bool(answer.json()["value"])

            assert value() is True
            services.kill(CTX, key=key, reason="now")
            at = time.monotonic()
            while value():
                assert time.monotonic() - at < 1.0
                time.sleep(0.005)
            assert time.monotonic() - at < 1.0
