"""The web process with no Redis at all: slower to tell, and otherwise whole."""

from pathlib import Path

from tests.conftest import make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.live_server import free_port, running

CHANGES = "subscription ($t: ID!, $s: String) { changes(tenantId: $t, since: $s) { eventId op } }"


def test_queries_writes_and_live_updates_go_on(tmp_path: Path) -> None:
    kit = make_tenant()
    with running(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0") as server:
        api = Api(server.url, kit.key("admin"))
        with socket(server.ws_url, kit.key("reader")) as client:
            id_ = client.subscribe(CHANGES, t=kit.info.slug, s="0")
            api.upsert({"kind": "A", "externalId": "1"})
            first = client.next(id_)["changes"]
            api.upsert({"kind": "A", "externalId": "1", "name": "again"})
            second = client.next(id_)["changes"]
        assert (first["op"], second["op"]) == ("created", "updated")
        assert int(first["eventId"]) < int(second["eventId"])
        answer = api.post("{ apiVersion }")
        assert answer.headers["ratelimit-policy"]
        hashed = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}
        missed = api.client.post(api.url, json=hashed).json()
        assert missed["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
