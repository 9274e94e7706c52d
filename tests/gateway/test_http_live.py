"""GraphQL over HTTP against the real web process: credentials, statuses, media types, persisted queries, isolation."""

import gzip
import hashlib
import json
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api
from tests.gateway.live_server import LiveServer

JSON = "application/json"

GRAPHQL = "application/graphql-response+json"

WRITE = "mutation ($input: [EntityInput!]!) { upsertEntities(input: $input) { created updated unchanged entities { id name version } errors { index code field message } } }"


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def keys(kit: TenantKit) -> dict[str, str]:
    return {scope: kit.key(scope) for scope in ("reader", "writer", "admin")}


@pytest.fixture(scope="module")
def api(live: LiveServer, keys: dict[str, str]) -> Iterator[Api]:
    return Api(live.url, keys["writer"])


def test_who_may_not_enter(live: LiveServer, keys: dict[str, str]) -> None:
    for headers in (
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {keys['reader']}"},
        {"authorization": f"Bearer {keys['reader']}x"},
    ):
        answer = httpx.post(f"{live.url}/graphql", json={"query": "{ __typename }"}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert "data" not in answer.json()


def test_a_key_opens_its_own_tenant_only(live: LiveServer, keys: dict[str, str], kit: TenantKit) -> None:
    other = make_tenant()
    assert Api(live.url, keys["reader"], **{"x-ig-tenant": kit.info.slug}).post("{ apiVersion }").status_code == 200
    assert Api(live.url, keys["reader"], **{"x-ig-tenant": str(kit.info.id)}).post("{ apiVersion }").status_code == 200
    refused = Api(live.url, keys["reader"], **{"x-ig-tenant": other.info.slug}).post("{ apiVersion }")
    unknown = Api(live.url, keys["reader"], **{"x-ig-tenant": "no-such-tenant"}).post("{ apiVersion }")
    assert refused.status_code == unknown.status_code == 404
    assert refused.json() == unknown.json()


def test_every_answer_says_who_and_which(api: Api) -> None:
    answer = api.post("{ apiVersion }", **{"x-request-id": "my-own-request-1"})
    assert answer.headers["x-request-id"] == "my-own-request-1"
    assert answer.headers["x-ig-api-version"] == answer.json()["data"]["apiVersion"]
    assert answer.headers["ratelimit-policy"].startswith('"api";q=')
    assert answer.headers["ratelimit"].startswith('"api";r=')
    assert answer.headers["cache-control"] == "no-store"
    assert (
        api.post("{ apiVersion }", **{"x-request-id": "bad id\twith spaces"}).headers["x-request-id"]
        != "bad id\twith spaces"
    )


@pytest.mark.parametrize(
    ("query", "plain", "strict"), [("{", 200, 400), ("{ nothing }", 200, 400), ("{ apiVersion }", 200, 200)]
)
def test_statuses_by_media_type(api: Api, query: str, plain: int, strict: int) -> None:
    for accept, status in ((JSON, plain), (GRAPHQL, strict)):
        answer = api.post(query, accept=accept)
        assert answer.status_code == status
        assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
        assert ("data" in answer.json()) is (query == "{ apiVersion }")


def test_refusals_of_the_request(api: Api) -> None:
    send = api.client.request
    assert send("PUT", api.url).status_code == 405
    assert send("PUT", api.url).headers["allow"] == "GET, POST"
    assert send("POST", api.url, json={"query": "{ apiVersion }"}, headers={"accept": "text/html"}).status_code == 406
    assert (
        send("POST", api.url, content=b"{ apiVersion }", headers={"content-type": "application/graphql"}).status_code
        == 415
    )
    assert (
        send(
            "POST", api.url, content=gzip.compress(b"{}"), headers={"content-type": JSON, "content-encoding": "gzip"}
        ).status_code
        == 415
    )
    assert send("POST", api.url, content=b"[]", headers={"content-type": JSON}).status_code == 400
    assert (
        send("POST", api.url, content=b" " * (8 * 1024 * 1024 + 1), headers={"content-type": JSON}).status_code == 413
    )
    assert send("GET", api.url).status_code == 400


def test_a_large_body_in_chunks_is_cut_off(api: Api) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b" " * 65_536

    try:
        status = api.client.post(api.url, content=chunks(), headers={"content-type": JSON}).status_code
    except httpx.TransportError:
        return  # the server closed while we were still sending: refused as well
    assert status == 413


def test_get_reads_and_never_writes(api: Api) -> None:
    assert api.client.get(api.url, params={"query": "{ apiVersion }"}).json()["data"]["apiVersion"]
    typed = {"query": "query ($n: String!) { __type(name: $n) { name } }", "variables": '{"n": "Entity"}'}
    assert api.client.get(api.url, params=typed).json()["data"]["__type"]["name"] == "Entity"
    refused = api.client.get(api.url, params={"query": "mutation { deleteEntities(ids: []) { deleted } }"})
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


def test_subscriptions_are_sent_to_the_websocket(api: Api, kit: TenantKit) -> None:
    answer = api.post(f'subscription {{ changes(tenantId: "{kit.info.slug}") {{ eventId }} }}')
    assert answer.status_code == 400
    assert "/graphql/ws" in answer.json()["errors"][0]["message"]


def test_persisted_queries_are_kept_per_tenant(live: LiveServer, api: Api) -> None:
    query = "{ me { id } __typename }"
    digest = hashlib.sha256(query.encode()).hexdigest()
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": digest}}
    missed = api.client.post(api.url, json={"extensions": extensions}).json()
    assert missed["errors"][0]["message"] == "PersistedQueryNotFound"
    wrong = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
    assert api.client.post(api.url, json={"query": query, "extensions": wrong}).status_code == 400
    assert "errors" not in api.client.post(api.url, json={"query": query, "extensions": extensions}).json()
    assert api.client.post(api.url, json={"extensions": extensions}).json()["data"]["__typename"] == "Query"
    assert (
        api.client.get(api.url, params={"extensions": json.dumps(extensions)}).json()["data"]["__typename"] == "Query"
    )
    other = Api(live.url, make_tenant().key("reader"))
    assert (
        other.client.post(other.url, json={"extensions": extensions}).json()["errors"][0]["extensions"]["code"]
        == "PERSISTED_QUERY_NOT_FOUND"
    )


def test_readers_do_not_write(live: LiveServer, keys: dict[str, str], api: Api) -> None:
    reader = Api(live.url, keys["reader"])
    before = reader.data("{ entities { totalCount } }")
    answer = reader.run(WRITE, input=[{"kind": "No", "externalId": "no"}])
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert reader.code("mutation { deleteEntities(ids: []) { deleted } }") == "FORBIDDEN"
    assert reader.data("{ entities { totalCount } }") == before


def test_another_tenant_sees_nothing(live: LiveServer, api: Api) -> None:
    mine = api.upsert({"kind": "Secret", "externalId": "s", "name": "Canary of mine"})[0]["id"]
    stranger = Api(live.url, make_tenant().key("admin"))
    seen = stranger.data(
        """query ($id: ID!) { entity(id: $id) { id } entities { totalCount nodes { id } } search(q: "canary") { totalCount }
             neighborhood(id: $id) { nodes { id } } graphSummary { entityCount } }""",
        id=mine,
    )
    assert seen == {
        "entity": None,
        "entities": {"totalCount": 0, "nodes": []},
        "search": {"totalCount": 0},
        "neighborhood": {"nodes": []},
        "graphSummary": {"entityCount": 0},
    }
    gone = stranger.data("mutation ($ids: [ID!]!) { deleteEntities(ids: $ids) { deleted unknown } }", ids=[mine])[
        "deleteEntities"
    ]
    assert gone == {"deleted": 0, "unknown": [mine]}
    assert api.data("query ($id: ID!) { entity(id: $id) { name } }", id=mine)["entity"]["name"] == "Canary of mine"


def test_introspection_is_open_to_callers(api: Api) -> None:
    types = {t["name"] for t in api.data("{ __schema { types { name } } }")["__schema"]["types"]}
    assert {"Entity", "Asset", "Node", "JSON", "Change"} <= types


def test_a_revoked_key_ends_at_once(live: LiveServer) -> None:
    from apps.core.scope import tenant_scope
    from apps.identity import selectors, services

    kit = make_tenant()
    token = kit.key("reader")
    assert Api(live.url, token).post("{ apiVersion }").status_code == 200
    with tenant_scope(kit.info.id):
        services.revoke_api_key(kit.ctx, key_id=selectors.api_keys(kit.ctx)[0].id)
    assert Api(live.url, token).post("{ apiVersion }").status_code == 401
