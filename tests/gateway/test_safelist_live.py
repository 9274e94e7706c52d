"""A web process that runs its safelist only, over HTTP and websocket."""

from collections.abc import Iterator

import pytest

from apps.core.scope import no_scope
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.live_server import LiveServer, running

CHANGES = {"documentId": "changes:v1"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("safelist"), IG_PERSISTED_ONLY="1") as server:
        yield server


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def token(kit: TenantKit) -> str:
    with no_scope():
        return kit.key("admin")


def test_named_documents_run_and_say_which_one(live: LiveServer, token: str) -> None:
    client = Api(live.url, token).client
    address = f"{live.url}/graphql"
    for _ in range(2):
        posted = client.post(address, json={"documentId": "entities:v1", "variables": {"first": 1}})
        assert posted.status_code == 200, posted.text
        assert "errors" not in posted.json()
        assert posted.headers["x-ig-document"] == "entities:v1"
    got = client.get(address, params={"documentId": "summary:v1"})
    assert got.json()["data"]["graphSummary"]["entityCount"] >= 0
    assert got.headers["x-ig-document"] == "summary:v1"


def test_all_else_is_refused_and_says_why(live: LiveServer, token: str) -> None:
    api = Api(live.url, token)
    for query in ("{ apiVersion }", "query Summary { graphSummary { edgeCount } }", "{ __typename }"):
        answer = api.post(query)
        assert answer.status_code == 403
        told = answer.json()["errors"][0]
        assert told["extensions"]["code"] == "PERSISTED_ONLY"
        assert "sha256:" in told["message"]
        assert "x-ig-document" not in answer.headers
    assert "summary:v1" in api.post("query Summary { me { id } }").json()["errors"][0]["extensions"]["mend"]
    assert api.client.post(f"{live.url}/graphql", json={"documentId": "nope:v1"}).json()["errors"]


def test_nobody_learns_of_the_safelist(live: LiveServer) -> None:
    for body in ({"documentId": "summary:v1"}, {"query": "{ apiVersion }"}):
        answer = Api(live.url).client.post(f"{live.url}/graphql", json=body)
        assert answer.status_code == 401
        assert "x-ig-document" not in answer.headers


def test_the_websocket_keeps_to_it_too(live: LiveServer, kit: TenantKit, token: str) -> None:
    with socket(live.ws_url, token) as client:
        client.send({"id": "a", "type": "subscribe", "payload": {"query": "{ apiVersion }"}})
        refused = client.receive()
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"]["code"] == "PERSISTED_ONLY"
        client.send({"id": "b", "type": "subscribe", "payload": {**CHANGES, "variables": {"tenantId": kit.info.slug}}})
        client.send({"id": "c", "type": "subscribe", "payload": {"documentId": "summary:v1"}})
        assert client.next("c")["graphSummary"]
        assert client.receive() == {"id": "c", "type": "complete"}
        client.send({"id": "d", "type": "subscribe", "payload": {"documentId": 7}})
        assert client.receive()["type"] == "error"
