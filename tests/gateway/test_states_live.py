"""Subscriptions to a state against the real web process and relay: imports as they go, limits as they are used."""

import time
from typing import Any
from uuid import UUID

import pytest

from apps.connectors import services as connectors
from apps.connectors.types import JobView
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.quotas import services as quotas
from apps.quotas.types import Measure
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Closed, Socket, socket
from tests.gateway.live_server import LiveServer

PROGRESS = """subscription ($tenant: ID!, $id: ID) { jobProgress(tenantId: $tenant, id: $id) {
  id source state phase progress rows { read created rejected } bytesRead sizeBytes failure finishedAt } }"""
USAGE = (
    "subscription ($tenant: ID!) { usageUpdated(tenantId: $tenant) { limits { measure ratePerS burst used fullInS } } }"
)
MAPPING = "name: things\nformat: csv\nentities:\n  - {kind: Thing, id: '{id}', name: '{id}'}\n"
ROWS = b"id\n" + b"".join(b"thing-%d\n" % number for number in range(6_000))


@pytest.fixture
def kit() -> TenantKit:
    return make_tenant()


def queued(kit: TenantKit, rows: bytes = ROWS) -> JobView:
    """Make a job that nobody has taken yet."""
    with tenant_scope(kit.info.id):
        connectors.put_mapping(kit.ctx, name="things", text=MAPPING)
        return connectors.start_ingest(kit.ctx, source="things", content=[rows], enqueue=False)


def run(kit: TenantKit, job: JobView) -> None:
    """Bring a source in, as a worker does."""
    with tenant_scope(kit.info.id):
        connectors.run_ingest(kit.ctx, job_id=job.id)


def told(client: Socket, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = client.next(id_)["jobProgress"]
    return found


def until_ended(client: Socket, id_: str) -> list[dict[str, Any]]:
    seen = [told(client, id_)]
    while seen[-1]["finishedAt"] is None:
        seen.append(told(client, id_))
    return seen


def test_an_import_is_followed_until_it_has_ended_and_then_the_subscription_is_complete(
    live: LiveServer, kit: TenantKit
) -> None:
    job = queued(kit)
    with socket(live.ws_url, kit.key("writer")) as client:
        one = client.subscribe(PROGRESS, tenant=kit.info.slug, id=str(job.id))
        all_ = client.subscribe(PROGRESS, tenant=kit.info.slug)
        assert (told(client, one)["state"], told(client, all_)["state"]) == ("queued", "queued")
        run(kit, job)
        seen = until_ended(client, one)
        assert [each["progress"] for each in seen] == sorted(each["progress"] for each in seen)
        last = seen[-1]
        assert (last["id"], last["source"], last["state"], last["phase"], last["progress"]) == (
            str(job.id), "things", "succeeded", "done", 1,
        )  # fmt: skip
        assert last["rows"] == {"read": 6_000, "created": 6_000, "rejected": 0}
        assert (last["bytesRead"] >= len(ROWS), last["sizeBytes"], last["failure"]) == (True, len(ROWS), None)
        assert until_ended(client, all_)[-1] == last
        client.settle()
        assert {"id": one, "type": "complete"} in client.kept
        assert {"id": all_, "type": "complete"} not in client.kept


def test_a_new_import_wakes_who_follows_all_and_one_that_ended_before_is_told_as_it_ended(
    live: LiveServer, kit: TenantKit
) -> None:
    with socket(live.ws_url, kit.key("writer")) as client:
        all_ = client.subscribe(PROGRESS, tenant=kit.info.slug)
        assert client.quiet(2.0)  # nothing moves: it rests for longer than this test waits
        began = time.monotonic()
        job = queued(kit, b"id\n1\n")
        assert told(client, all_)["state"] == "queued"
        assert time.monotonic() - began < 10
        run(kit, job)
        assert until_ended(client, all_)[-1]["rows"]["created"] == 1
        one = client.subscribe(PROGRESS, tenant=kit.info.slug, id=str(job.id))
        assert told(client, one)["state"] == "succeeded"


def test_an_import_of_another_tenant_is_none(live: LiveServer, kit: TenantKit) -> None:
    other = make_tenant()
    job = queued(other, b"id\n1\n")
    with socket(live.ws_url, kit.key("writer")) as client:
        for id_, code in ((str(job.id), "NOT_FOUND"), (str(new_id()), "NOT_FOUND"), ("no id", "BAD_USER_INPUT")):
            asked = client.subscribe(PROGRESS, tenant=kit.info.slug, id=id_)
            message = client.receive()
            assert (message["id"], message["type"]) == (asked, "error")
            assert message["payload"][0]["extensions"]["code"] == code
        foreign = client.subscribe(PROGRESS, tenant=str(other.info.id))
        message = client.receive()
        assert (message["id"], message["payload"][0]["extensions"]["code"]) == (foreign, "FORBIDDEN")


def test_what_is_used_of_limits_is_told_when_it_differs_and_at_most_once_a_second(
    live: LiveServer, kit: TenantKit
) -> None:
    with socket(live.ws_url, kit.key("reader")) as client, socket(live.ws_url, kit.key("reader")) as second:
        id_ = client.subscribe(USAGE, tenant=kit.info.slug)
        beside = second.subscribe(USAGE, tenant=kit.info.slug)
        first = client.next(id_)["usageUpdated"]["limits"]
        assert [limit["measure"] for limit in first] == ["api", "ingest", "deliveries"]
        assert first[1]["used"] == 0
        assert second.next(beside)["usageUpdated"]["limits"][1] == first[1]
        began = time.monotonic()
        with tenant_scope(kit.info.id):
            assert quotas.consume(kit.ctx, Measure.INGEST, 30_000).allowed
        seen = []
        while time.monotonic() - began < 7:
            seen.append((time.monotonic(), client.next(id_)["usageUpdated"]["limits"][1]))
            if seen[-1][1]["used"] >= 10_000:
                break
        assert seen[-1][1]["used"] > 10_000
        assert seen[-1][1]["fullInS"] == pytest.approx(seen[-1][1]["used"] / seen[-1][1]["ratePerS"])
        seen += [(time.monotonic(), client.next(id_)["usageUpdated"]["limits"][1]) for _ in range(3)]
        used = [limit["used"] for _, limit in seen[-4:]]
        assert used == sorted(used, reverse=True) and len(set(used)) == 4
        apart = [later - earlier for (earlier, _), (later, _) in zip(seen[-4:], seen[-3:], strict=False)]
        assert sum(apart) > 2.7  # three steps of at least a second each; one may arrive late
        assert second.next(beside)["usageUpdated"]["limits"][1]["used"] > 10_000


def test_a_revoked_key_is_told_nothing_even_while_nothing_is_numbered(live: LiveServer, kit: TenantKit) -> None:
    token = kit.key("writer")
    with tenant_scope(kit.info.id):
        key = next(k for k in identity_selectors.api_keys(kit.ctx) if k.prefix in token)
    job = queued(kit)
    with socket(live.ws_url, token) as client:
        id_ = client.subscribe(PROGRESS, tenant=kit.info.slug, id=str(job.id))
        assert told(client, id_)["state"] == "queued"
        live.relay.end()  # the revocation will be in no feed
        try:
            with tenant_scope(kit.info.id):
                identity.revoke_api_key(kit.ctx, key_id=UUID(str(key.id)))
            run(kit, job)
            with pytest.raises(Closed) as closed:
                client.receive()
        finally:
            live.relay.start()
        assert closed.value.code == 4401
