"""A tenant over its pace is told what it misses; nobody else notices. Coalescing and resuming, over a real socket."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from apps.quotas import granting
from apps.quotas.types import Limit, Measure
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Socket, socket
from tests.gateway.live_server import LiveServer

CHANGES = """subscription ($t: ID!, $since: String, $every: Int) { changes(tenantId: $t, since: $since, coalesceMs: $every) {
  eventId entity { name } } }"""
ASSET = """subscription ($t: ID!, $id: ID!, $since: String, $every: Int) {
  assetUpdated(tenantId: $t, id: $id, since: $since, coalesceMs: $every) { name eventId } }"""


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


def follow(client: Socket, query: str, kit: TenantKit, **variables: Any) -> str:
    id_ = client.subscribe(query, t=kit.info.slug, **variables)
    client.settle()
    time.sleep(0.4)
    return id_


def accounted(client: Socket, count: int) -> tuple[list[str], int, int]:
    """Read until so many updates are told, superseded or missing; return event ids, superseded, missing."""
    seen: list[str] = []
    superseded = missed = 0
    while len(seen) + superseded + missed < count:
        message = client.receive()
        assert message["type"] == "next", message
        said = message["payload"].get("extensions", {})
        superseded += said.get("coalesced", {}).get("superseded", 0)
        missed += said.get("discontinuity", {}).get("missed", 0)
        seen.append(next(iter(message["payload"]["data"].values()))["eventId"])
    assert len(seen) + superseded + missed == count
    return seen, superseded, missed


def test_a_tenant_ten_times_over_its_rate_disturbs_nobody_else(live: LiveServer, kit: TenantKit) -> None:
    other = make_tenant()
    limit = Limit(rate_per_s=20.0, burst=20)
    granting.grant(
        kit.ctx, tenant_id=kit.info.id, measure=Measure.DELIVERIES, limit=limit, lasts=timedelta(hours=1), reason="test"
    )
    noisy, quiet = Api(live.url, kit.key("admin")), Api(live.url, other.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as flooded, socket(live.ws_url, other.key("reader")) as spared:
        follow(flooded, CHANGES, kit)
        id_ = follow(spared, CHANGES, other)
        over = threading.Event()

        def flood() -> None:
            for round_ in range(20):
                noisy.upsert(*({"kind": "A", "externalId": f"{round_}-{n}"} for n in range(40)))
            over.set()

        writer = threading.Thread(target=flood)
        began = time.monotonic()
        writer.start()
        latencies = []
        while not over.is_set() or len(latencies) < 5:
            wrote = time.monotonic()
            quiet.upsert({"kind": "B", "externalId": f"{len(latencies)}"})
            spared.receive()
            latencies.append(time.monotonic() - wrote)
        writer.join()
        seen, superseded, missed = accounted(flooded, 800)
        took = time.monotonic() - began
        assert superseded == 0
        assert len(seen) <= 20 + 20 * took + 2
        assert missed > 0 or took > 30  # a machine so slow that its pace was never over
        assert sorted(latencies)[len(latencies) // 2] < 1.0
        quiet.upsert({"kind": "B", "externalId": "last"})
        assert spared.next(id_)


def test_the_newest_of_each_entity_is_told_when_asked_for(live: LiveServer, kit: TenantKit) -> None:
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client, socket(live.ws_url, kit.key("reader")) as every:
        id_ = follow(every, CHANGES, kit)
        follow(client, CHANGES, kit, every=500)
        for round_ in range(10):
            api.upsert(*({"kind": "A", "externalId": f"{n}", "name": f"{round_}"} for n in range(3)))
        seen, superseded, missed = accounted(client, 30)
        assert (missed, superseded) == (0, 30 - len(seen))
        assert superseded >= 15
        whole = [every.next(id_)["changes"]["eventId"] for _ in range(30)]
        assert [each for each in whole if each in seen] == seen
        assert whole[-1] == seen[-1]


def test_one_asset_resumes_too(live: LiveServer, kit: TenantKit) -> None:
    api, token = Api(live.url, kit.key("admin")), kit.key("reader")
    (asset,) = api.upsert({"kind": "Asset", "externalId": "a"})
    with socket(live.ws_url, token) as client:
        id_ = follow(client, ASSET, kit, id=asset["id"])
        api.upsert({"kind": "Asset", "externalId": "a", "name": "one"})
        told = client.next(id_)["assetUpdated"]
        while told["name"] != "one":  # its creation, on a busy machine
            told = client.next(id_)["assetUpdated"]
        last = told["eventId"]
    for name in ("two", "three"):
        api.upsert({"kind": "Asset", "externalId": "a", "name": name})
    with socket(live.ws_url, token) as client:
        id_ = client.subscribe(ASSET, t=kit.info.slug, id=asset["id"], since=last)
        assert [client.next(id_)["assetUpdated"]["name"] for _ in range(2)] == ["two", "three"]


@pytest.mark.parametrize("every", [-1, 0, 10**9])
def test_how_often_is_brought_into_range(live: LiveServer, kit: TenantKit, every: int) -> None:
    with socket(live.ws_url, kit.key("reader")) as client:
        follow(client, CHANGES, kit, every=every)
        assert client.quiet(0.2)
