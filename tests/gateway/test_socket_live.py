"""Live updates against the real web process and relay: order, documents, resuming, faults."""

import os
import signal
import threading
from typing import Any

import pytest
import redis

from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Closed, socket
from tests.gateway.following import ASSET, CHANGES, follow, stands, take
from tests.gateway.live_server import LiveServer


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture
def api(live: LiveServer, kit: TenantKit) -> Api:
    return Api(live.url, kit.key("admin"))


def test_changes_come_in_order_with_their_documents(live: LiveServer, kit: TenantKit, api: Api) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        all_, kinds = follow(client, kit), follow(client, kit, kinds=["Other"])
        written = api.upsert(
            *({"kind": "Asset", "externalId": f"{n}", "name": f"n{n}"} for n in range(3)),
            {"kind": "Other", "externalId": "o"},
        )
        api.upsert({"kind": "Asset", "externalId": "0", "name": "again"})
        seen = take(client, all_, 5)
        assert [c["id"] for c in seen] == [e["id"] for e in written] + [written[0]["id"]]
        assert [(c["op"], c["version"]) for c in seen] == [("created", 1)] * 4 + [("updated", 2)]
        number, _, position = seen[0]["eventId"].partition(".")
        assert [c["eventId"] for c in seen[:4]] == [f"{number}.{int(position) + n}" for n in range(4)]
        assert int(seen[4]["eventId"]) == int(number) + 1
        assert seen[4]["entity"]["name"] == "again"
        assert seen[4]["entity"]["eventId"] == seen[4]["eventId"]
        assert seen[4]["publishedAt"].endswith("Z")
        assert len(seen[4]["publishedAt"]) == len("2026-11-21T00:00:00.000000Z")
        assert [c["kind"] for c in take(client, kinds, 1)] == ["Other"]
        assert client.quiet()


def test_edges_and_deletions_are_changes(live: LiveServer, kit: TenantKit, api: Api) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        id_ = follow(client, kit)
        one, two = api.upsert({"kind": "A", "externalId": "1"}, {"kind": "A", "externalId": "2"})
        api.data(
            "mutation ($i: [EdgeInput!]!) { upsertEdges(input: $i) { created } }",
            i=[{"kind": "E", "source": one["id"], "target": two["id"]}],
        )
        api.data("mutation ($i: [ID!]!) { deleteEntities(ids: $i) { deleted } }", i=[one["id"]])
        seen = take(client, id_, 5)
        assert [(c["refKind"], c["op"]) for c in seen] == [("entity", "created")] * 2 + [
            ("edge", "created"),
            ("edge", "deleted"),
            ("entity", "deleted"),
        ]
        assert seen[2]["edge"] == {"source": one["id"], "target": two["id"]}
        assert seen[2]["entity"] is seen[4]["entity"] is None
        assert seen[4]["id"] == one["id"]


def test_one_asset(live: LiveServer, kit: TenantKit, api: Api) -> None:
    mine, other = api.upsert({"kind": "Asset", "externalId": "m"}, {"kind": "Asset", "externalId": "o"})
    with socket(live.ws_url, kit.key("reader")) as client:
        id_ = client.subscribe(ASSET, tenant=str(kit.info.id), id=mine["id"])
        stands(client)
        api.upsert({"kind": "Asset", "externalId": "o", "name": "x"})
        api.upsert({"kind": "Asset", "externalId": "m", "name": "y"})
        pushed = client.next(id_)["assetUpdated"]
        if pushed["version"] == 1:  # it was numbered only after the subscription stood
            pushed = client.next(id_)["assetUpdated"]
        assert (pushed["id"], pushed["name"], pushed["version"]) == (mine["id"], "y", 2)
        assert pushed["eventId"]
        api.data("mutation ($i: [ID!]!) { deleteEntities(ids: $i) { deleted } }", i=[mine["id"], other["id"]])
        assert client.next(id_)["assetUpdated"] is None


def test_resuming_gives_what_was_missed_once_and_then_goes_on(live: LiveServer, kit: TenantKit, api: Api) -> None:
    token = kit.key("reader")
    with socket(live.ws_url, token) as client:
        id_ = follow(client, kit)
        api.upsert(*({"kind": "A", "externalId": f"{n}"} for n in range(5)))
        seen = take(client, id_, 2)  # the rest of the batch is never read
    api.upsert(*({"kind": "A", "externalId": f"{n}", "name": "two"} for n in range(3)))
    api.upsert({"kind": "A", "externalId": "late"})
    with socket(live.ws_url, token) as client:
        id_ = client.subscribe(CHANGES, tenant=kit.info.slug, since=seen[-1]["eventId"])
        missed = take(client, id_, 7)
        api.upsert({"kind": "A", "externalId": "after"})
        missed += take(client, id_, 1)
        assert client.quiet()
    versions = [(c["op"], c["version"]) for c in missed]
    assert versions == [("created", 1)] * 3 + [("updated", 2)] * 3 + [("created", 1)] * 2
    order = [tuple(map(int, f"{c['eventId']}.0".split(".")[:2])) for c in missed]
    assert order == sorted(order)
    assert len(set(order)) == 8


def test_resuming_while_writes_go_on_loses_and_doubles_nothing(live: LiveServer, kit: TenantKit, api: Api) -> None:
    token = kit.key("reader")
    total, stop = 60, threading.Event()

    def write() -> None:
        for n in range(total):
            api.upsert({"kind": "A", "externalId": f"{n}"}, {"kind": "B", "externalId": f"{n}"})
        stop.set()

    with socket(live.ws_url, token) as client:
        follow(client, kit)
    writer = threading.Thread(target=write)
    writer.start()
    seen: list[str] = []
    since = "0"
    while len(seen) < 2 * total:
        with socket(live.ws_url, token) as client:
            id_ = client.subscribe(CHANGES, tenant=kit.info.slug, since=since)
            for _ in range(min(17, 2 * total - len(seen))):
                seen.append(client.next(id_)["changes"]["eventId"])
            since = seen[-1]
    writer.join()
    assert len(seen) == len(set(seen)) == 2 * total
    order = [tuple(map(int, text.split("."))) for text in seen]
    assert order == sorted(order)


def test_a_long_absence_is_told_in_full(live: LiveServer, kit: TenantKit, api: Api) -> None:
    for round_ in range(3):
        api.upsert(*({"kind": "A", "externalId": f"{round_}-{n}"} for n in range(2_000)))
    query = 'subscription ($t: ID!) { changes(tenantId: $t, since: "0") { eventId } }'
    with socket(live.ws_url, kit.key("reader")) as client:
        id_ = client.subscribe(query, t=kit.info.slug)
        seen = [client.next(id_)["changes"]["eventId"] for _ in range(6_000)]
    order = [tuple(map(int, text.split("."))) for text in seen]
    assert order == sorted(set(order))


@pytest.mark.parametrize("since", ["nonsense", "-1", "1.", "99999999", "1.2.3", ""])
def test_a_start_that_is_none_is_refused(live: LiveServer, kit: TenantKit, since: str) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        id_ = client.subscribe(CHANGES, tenant=kit.info.slug, since=since)
        message = client.receive()
        assert (message["id"], message["type"]) == (id_, "error")
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert message["payload"][0]["extensions"]["field"] == "since"


def test_queries_and_mutations_run_over_the_socket(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url, kit.key("writer")) as client:
        id_ = client.subscribe('mutation { upsertEntities(input: [{kind: "A", externalId: "1"}]) { created } }')
        assert client.next(id_) == {"upsertEntities": {"created": 1}}
        assert client.receive() == {"id": id_, "type": "complete"}
        id_ = client.subscribe("{ nothing }")
        message = client.receive()
        assert (message["id"], message["type"]) == (id_, "error")


def test_a_lost_topic_loses_no_update(live: LiveServer, kit: TenantKit, api: Api) -> None:
    store = redis.Redis.from_url(os.environ["REDIS_URL"])
    with socket(live.ws_url, kit.key("reader")) as client:
        id_ = follow(client, kit)
        seen: list[dict[str, Any]] = []
        for round_ in range(4):
            store.client_kill_filter(_type="pubsub")
            api.upsert({"kind": "A", "externalId": f"{round_}"})
            seen += take(client, id_, 1)
        numbers = [int(c["eventId"]) for c in seen]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == 4
        assert client.quiet()


@pytest.mark.parametrize("victim", ["relay", "web"])
def test_killing_a_process_loses_no_update(live: LiveServer, kit: TenantKit, api: Api, victim: str) -> None:
    token = kit.key("reader")
    with socket(live.ws_url, token) as client:
        id_ = follow(client, kit)
        api.upsert({"kind": "A", "externalId": "before"})
        last = take(client, id_, 1)[0]["eventId"]
        child = getattr(live, victim)
        if victim == "relay":
            child.end(signal.SIGKILL)
            api.upsert({"kind": "A", "externalId": "meanwhile"})
            child.start()
            assert take(client, id_, 1)[0]["op"] == "created"
            return
        child.end(signal.SIGKILL)
        with pytest.raises(Closed):
            client.receive()
    child.start()
    live.wait_ready()
    api.upsert({"kind": "A", "externalId": "meanwhile"})
    with socket(live.ws_url, token) as client:
        id_ = client.subscribe(CHANGES, tenant=kit.info.slug, since=last)
        assert take(client, id_, 1)[0]["version"] == 1
        assert client.quiet()
