"""Bounds of a connection, against the real web process and relay: who reads slowly or not at all, floods, bad messages."""

import time
from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from apps.gateway.ws_arrears import SLOW_S
from apps.gateway.ws_line import CLOSE_S
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Closed, Socket, socket
from tests.gateway.following import CHANGES, stands, take
from tests.gateway.live_server import LiveServer


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture
def api(live: LiveServer, kit: TenantKit) -> Api:
    return Api(live.url, kit.key("admin"))


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
