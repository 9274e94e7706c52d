"""What live updates cost each process: told over Redis, by tenant, and forgotten when the process ends."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings

from apps.core import load
from apps.core.clock import utc_now
from apps.core.load import ProcessLoad, TenantLoad
from tests.conftest import make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.collectors import Collector
from tests.gateway.live_server import running

CHANGES = "subscription Follow($tenant: ID!) { changes(tenantId: $tenant) { eventId } }"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def client() -> Iterator["redis.Redis"]:
    found = redis.Redis.from_url(settings.REDIS_URL)
    found.delete(load.KEY)
    yield found
    found.delete(load.KEY)
    found.close()


def told(name: str, age_s: float = 0.0, pace: float = 1.0, *tenants: TenantLoad) -> ProcessLoad:
    return ProcessLoad(name, utc_now().timestamp() - age_s, 3, 5, pace, 0.0, 0, tenants)


def test_the_busiest_come_first_and_who_ended_is_forgotten(client: "redis.Redis") -> None:
    quiet, busy = told("a:1", pace=1), told("b:2", 5, 900, TenantLoad("t", 1, 2, 900))
    for one in (quiet, busy, told("gone:3", load.STALE_S + 1), told("of tomorrow:4", -load.STALE_S - 1)):
        client.hset(load.KEY, one.process, load.as_field(one))
    client.hset(load.KEY, "other release", b'{"process": "x"}')
    client.hset(load.KEY, "noise", b"{")
    assert load.read_all(client) == [busy, quiet]
    assert set(client.hkeys(load.KEY)) == {b"a:1", b"b:2"}


def test_tenants_are_added_up_over_processes() -> None:
    one = told("a", 0, 1, TenantLoad("t", 1, 2, 5.0), TenantLoad("u", 4, 4, 0.0))
    two = told("b", 0, 1, TenantLoad("t", 2, 3, 7.0))
    assert load.by_tenant([one, two]) == [TenantLoad("t", 3, 5, 12.0), TenantLoad("u", 4, 4, 0.0)]


def test_a_process_tells_its_load_and_spans_and_takes_leave(
    client: "redis.Redis", tmp_path_factory: pytest.TempPathFactory
) -> None:
    kit = make_tenant()
    with (
        Collector() as collector,
        running(tmp_path_factory.mktemp("load"), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url) as live,
    ):
        api = Api(live.url, kit.key("admin"))
        with socket(live.ws_url, kit.key("reader")) as one, socket(live.ws_url, kit.key("reader")) as two:
            payload = {"query": CHANGES, "variables": {"tenant": kit.info.slug}, "extensions": {"traceparent": PARENT}}
            one.send({"id": "a", "type": "subscribe", "payload": payload})
            one.send({"id": "b", "type": "subscribe", "payload": payload})
            two.send({"id": "c", "type": "subscribe", "payload": payload})
            two.send({"id": "wrong", "type": "subscribe", "payload": {**payload, "variables": {"tenant": "other"}}})
            until = time.monotonic() + 40
            number, seen, best = 0, [], 0.0
            while time.monotonic() < until:
                number += 1
                api.upsert({"kind": "A", "externalId": str(number)})
                seen = load.read_all(client)
                if seen and seen[0].tenants:
                    best = max(best, seen[0].tenants[0].deliveries_per_s)
                    if seen[0].subscriptions == 3 and best > 0:
                        break
                time.sleep(0.2)
            assert [(load_.connections, load_.subscriptions) for load_ in seen] == [(2, 3)]
            tenant = seen[0].tenants[0]
            assert (tenant.tenant_id, tenant.connections, tenant.subscriptions) == (str(kit.info.id), 2, 3)
            assert best > 0 and seen[0].deliveries_per_s > 0
            text = httpx.get(f"{live.url}/metrics").text
            for name in (
                'ig_ws_queue_depth{queue="feed"}',
                'ig_ws_queue_depth{queue="outbox"}',
                "ig_feed_retries_total",
            ):
                assert name in text, name
            one.send({"id": "a", "type": "complete"})
            one.settle()
        live.web.end()
        assert load.read_all(client) == []
        check_spans(collector.spans(), str(kit.info.id))


def check_spans(spans: list[dict[str, Any]], tenant: str) -> None:
    """Hold the spans of subscribing, delivering and unsubscribing to what they must say."""
    began = [span for span in spans if span["name"] == "graphql subscribe"]
    stood = [span for span in began if "error.type" not in span]
    assert len(stood) == 3 and all(span["trace"] == TRACE and span["ig.tenant"] == tenant for span in stood)
    assert {span["ig.subscription.field"] for span in stood} == {"changes"}
    assert [span["error.type"] for span in began if "error.type" in span] == ["FORBIDDEN"]
    ended = [span for span in spans if span["name"] == "graphql unsubscribe"]
    assert len(ended) == 3 and {link for span in ended for link in span["links"]} == {span["id"] for span in stood}
    deliveries = [span for span in spans if span["name"] == "live delivery"]
    assert deliveries and all(span["ig.tenant"] == tenant and span["ig.changes"] for span in deliveries)
    assert max(span["ig.subscribers"] for span in deliveries) == 3
    starts = sorted(span["ended"] for span in deliveries)
    assert all(later - earlier > 0.9e9 for earlier, later in itertools.pairwise(starts)), "one a second"
