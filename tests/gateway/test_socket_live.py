"""Live updates against the real web process and relay: order, resume, authorisation, faults, bounds."""

import os
import signal
import socket as sockets
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus

from apps.core.scope import tenant_scope
from apps.gateway.ws_arrears import SLOW_S
from apps.gateway.ws_line import CLOSE_S
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.ledger import selectors as ledger
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Closed, Socket, socket
from tests.gateway.live_server import LiveServer

CHANGES = """subscription ($tenant: ID!, $kinds: [String!], $since: String) { changes(tenantId: $tenant, kinds: $kinds, since: $since) {
  eventId publishedAt refKind id op kind version entity { name properties eventId publishedAt } edge { source target } } }"""
ASSET = "subscription ($tenant: ID!, $id: ID!) { assetUpdated(tenantId: $tenant, id: $id) { id name version eventId publishedAt } }"


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture
def api(live: LiveServer, kit: TenantKit) -> Api:
    return Api(live.url, kit.key("admin"))


def follow(client: Socket, kit: TenantKit, **variables: Any) -> str:
    """Subscribe to changes and wait until the subscription stands."""
    id_ = client.subscribe(CHANGES, tenant=kit.info.slug, **variables)
    stands(client)
    return id_


def stands(client: Socket) -> None:
    """Give a subscription that was just sent time to join its feed."""
    client.settle()
    time.sleep(0.4)


def take(client: Socket, id_: str, count: int) -> list[dict[str, Any]]:
    return [client.next(id_)["changes"] for _ in range(count)]


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


def test_another_tenant_is_not_to_be_followed(live: LiveServer, kit: TenantKit, outsider: TenantKit, api: Api) -> None:
    with socket(live.ws_url, outsider.key("admin")) as client:
        for wanted in (kit.info.slug, str(kit.info.id), "no-such-tenant"):
            client.subscribe(CHANGES, tenant=wanted)
            message = client.receive()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        follow(client, outsider)
        api.upsert({"kind": "A", "externalId": "1"})
        assert client.quiet()


def test_a_revoked_key_hears_nothing_that_comes_after(live: LiveServer, kit: TenantKit, api: Api) -> None:
    token = kit.key("reader")
    with tenant_scope(kit.info.id):
        key = next(k for k in identity_selectors.api_keys(kit.ctx) if k.prefix in token)
    with socket(live.ws_url, token) as client:
        id_ = follow(client, kit)
        api.upsert({"kind": "A", "externalId": "before"})
        assert take(client, id_, 1)[0]["op"] == "created"
        with tenant_scope(kit.info.id):
            identity.revoke_api_key(kit.ctx, key_id=key.id)
        api.upsert({"kind": "A", "externalId": "after"})
        with pytest.raises(Closed) as closed:
            client.receive()
        assert closed.value.code == 4401
    with socket(live.ws_url) as client, pytest.raises(Closed) as refused:
        client.init(authorization=f"Bearer {token}")
    assert refused.value.code == 4403


def test_revoking_races_with_writing_and_wins(live: LiveServer, kit: TenantKit, api: Api) -> None:
    """Whatever the moment: nothing that the ledger numbered after the revocation reaches the key's holder."""
    over = threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            api.upsert({"kind": "A", "externalId": f"{number % 50}", "name": f"{number}"})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_ in range(12):
            token = kit.key("reader")
            with socket(live.ws_url, token) as client:
                id_ = client.subscribe("subscription ($t: ID!) { changes(tenantId: $t) { eventId } }", t=kit.info.slug)
                if round_ % 3:
                    client.next(id_)  # else: revoked while it joins
                with tenant_scope(kit.info.id):
                    key = next(k for k in identity_selectors.api_keys(kit.ctx) if k.prefix in token)
                    identity.revoke_api_key(kit.ctx, key_id=key.id)
                heard = []
                with pytest.raises(Closed) as closed:
                    while True:
                        heard.append(int(client.next(id_)["changes"]["eventId"]))
                assert closed.value.code in {4401, 4403}
            with tenant_scope(kit.info.id):
                revoked = _number_of_revocation(kit, str(key.id))
            assert all(number < revoked for number in heard)
    finally:
        over.set()
        writer.join()


def _number_of_revocation(kit: TenantKit, key_id: str) -> int:
    """Return the ledger number under which a key's revocation stands."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for record in ledger.newest(kit.info.id, type_="identity.apikey.revoked"):
            if key_id in record.body.decode():
                return record.number
        time.sleep(0.05)
    raise AssertionError("the revocation was not numbered")


def test_nobody_may_come_in_and_do_nothing(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url) as client:
        assert client.init() == {"type": "connection_ack"}
        client.subscribe("{ __typename }")
        with pytest.raises(Closed) as closed:
            client.receive()
        assert closed.value.code == 4401


def test_foreign_pages_are_refused_before_the_handshake(live: LiveServer) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(live.ws_url, Origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403
    with socket(live.ws_url, Origin=live.url) as client:
        assert client.init() == {"type": "connection_ack"}


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


BIG = "subscription ($t: ID!) { changes(tenantId: $t) { eventId entity { properties } } }"


def flood(api: Api, reading: Socket, id_: str, rounds: int) -> int:
    """Write batches of large entities while one client reads them; return how many entities."""
    seen = set()
    for round_ in range(rounds):
        api.upsert(
            *({"kind": "Big", "externalId": f"{round_}-{n}", "properties": {"text": "x" * 20_000}} for n in range(150))
        )
        seen |= {reading.next(id_)["changes"]["eventId"] for _ in range(150)}
    assert len(seen) == rounds * 150
    return len(seen)


def place(event_id: str) -> tuple[int, int]:
    number, _, position = event_id.partition(".")
    return int(number), int(position)


def test_who_reads_slowly_is_told_what_is_missing_and_can_have_it(live: LiveServer, kit: TenantKit, api: Api) -> None:
    token = kit.key("reader")
    with socket(live.ws_url, token) as reading, socket(live.ws_url, token) as slow:
        slow.subscribe(BIG, t=kit.info.slug)
        id_ = reading.subscribe(BIG, t=kit.info.slug)
        stands(slow)
        stands(reading)
        count = flood(api, reading, id_, 10)
        missed, last, ranges = 0, (0, 0), []
        seen: set[str] = set()
        while len(seen) + missed < count:
            payload = slow.receive()["payload"]
            gap = payload.get("extensions", {}).get("discontinuity")
            if gap:
                missed += gap["missed"]
                ranges.append(gap)
            seen.add(payload["data"]["changes"]["eventId"])
            assert place(payload["data"]["changes"]["eventId"]) > last
            last = place(payload["data"]["changes"]["eventId"])
        assert len(seen) + missed == count
        assert missed > 0
        assert _metric(live, "ig_ws_dropped_total") >= missed
    with socket(live.ws_url, token) as again:
        for gap in ranges:
            assert gap["reasons"] == ["SLOW_CONSUMER"]
            id_ = again.subscribe(CHANGES, tenant=kit.info.slug, since=gap["since"])
            events = [each["eventId"] for each in take(again, id_, gap["missed"])]
            assert (events[0], events[-1]) == (gap["first"], gap["last"])
            assert not seen & set(events)


def test_who_does_not_read_is_cut_off_and_the_others_are_not(live: LiveServer, kit: TenantKit, api: Api) -> None:
    token = kit.key("reader")
    before = _metric(live, 'ig_ws_closes_total{code="1013"')
    with socket(live.ws_url, token) as reading, socket(live.ws_url, token) as dead:
        id_ = reading.subscribe(BIG, t=kit.info.slug)
        stands(reading)
        dead.subscribe(BIG, t=kit.info.slug)
        stands(dead)
        count = flood(api, reading, id_, 10)
        time.sleep(SLOW_S + CLOSE_S + 1)
        got, missed = 0, 0
        with pytest.raises(Closed) as closed:
            while True:
                said = dead.receive()["payload"].get("extensions", {})
                missed += said.get("discontinuity", {}).get("missed", 0)
                got += 1
        assert closed.value.code == 1013
        assert got + missed == count
        assert missed > 0
        api.upsert({"kind": "Big", "externalId": "after"})
        assert reading.next(id_)
    assert _metric(live, 'ig_ws_closes_total{code="1013"') == before + 1


def _metric(live: LiveServer, name: str) -> float:
    for line in httpx.get(f"{live.url}/metrics").text.splitlines():
        if line.startswith(name):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def test_a_flood_of_operations_is_bounded(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        for _ in range(130):
            client.subscribe(CHANGES, tenant=kit.info.slug)
        refused = 0
        deadline = time.monotonic() + 10
        while refused < 30 and time.monotonic() < deadline:
            message = client.receive()
            assert message["type"] == "error"
            assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
            refused += 1
        assert refused == 30


def test_a_flood_of_messages_closes(live: LiveServer, kit: TenantKit) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        with pytest.raises(ConnectionClosed) as ended:
            for _ in range(20_000):
                client.connection.send('{"type":"pong"}')
            client.connection.recv(timeout=10)
        assert ended.value.rcvd is None or ended.value.rcvd.code == 4429


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda c: c.connection.send('{"type":"' + "x" * 300_000 + '"}'), 1009),
        (lambda c: c.connection.send(b"\x00\x01"), 1003),
        (lambda c: c.send({"type": "connection_init"}), 4429),
    ],
)
def test_bad_messages_close_with_their_code(
    live: LiveServer, kit: TenantKit, send: Callable[[Socket], None], code: int
) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        send(client)
        with pytest.raises(Closed) as closed:
            client.receive()
        assert closed.value.code == code


def test_a_foreign_subprotocol_is_told(live: LiveServer) -> None:
    with sockets.create_connection(("127.0.0.1", live.port), timeout=5) as raw:
        raw.sendall(
            f"GET /graphql/ws HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: made-up\r\n\r\n".encode()
        )
        answer = b""
        while b"4406" not in answer and struct.pack("!H", 4406) not in answer:
            part = raw.recv(4096)
            assert part, answer
            answer += part
    assert b"101 Switching Protocols" in answer
