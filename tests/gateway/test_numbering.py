"""Sequence numbers of a subscription: one more each time, but by what the same message says is missing or superseded."""

import asyncio
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.realtime.gaps import with_extensions
from apps.gateway.realtime.numbering import MAX_NUMBER, Numbering, asked_for
from apps.quotas import granting
from apps.quotas.types import Limit, Measure
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, Socket, socket
from tests.gateway.following import CHANGES, stands
from tests.gateway.live_server import LiveServer
from tests.gateway.test_batches import Wire, batch_of, connected, texts
from tests.gateway.test_gaps import settled, write_to


def check(results: list[dict[str, Any]], last: int) -> int:
    """Check the numbers of results after `last`; return the newest."""
    for result in results:
        said = result["extensions"]
        missed = said.get("discontinuity", {}).get("missed", 0) + said.get("coalesced", {}).get("superseded", 0)
        assert said["sequence"] == last + 1 + missed
        last = said["sequence"]
    return last


@given(st.integers(0, 10**9), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=9))
def test_numbers_go_on_over_what_is_missing_and_superseded(last: int, parts: list[tuple[int, int]]) -> None:
    numbering, results = Numbering(last), []
    for missed, superseded in parts:
        told: dict[str, Any] = {"discontinuity": {"missed": missed}} if missed else {}
        told |= {"coalesced": {"superseded": superseded}} if superseded else {}
        text = with_extensions('{"data":{"a":{"extensions":{"sequence":7}}}}', told)
        results.append(json.loads(numbering.result(text)))
    assert check(results, last) == last + len(parts) + sum(map(sum, parts))
    assert all(result["data"] == {"a": {"extensions": {"sequence": 7}}} for result in results)


@pytest.mark.parametrize("asked", [None, {}, {"sequence": None}, {"statement": True}, "text"])
def test_nobody_is_numbered_unasked(asked: Any) -> None:
    assert asked_for({"query": "...", "extensions": asked}) is None


@pytest.mark.parametrize("last", [-1, 1.5, "0", True, [], {}, MAX_NUMBER, 10**400])
def test_what_is_no_number_is_refused(last: Any) -> None:
    with pytest.raises(ValueError, match=r"extensions\.sequence"):
        asked_for({"extensions": {"sequence": last}})


async def test_what_a_slow_client_misses_is_in_the_numbers() -> None:
    wire = Wire()
    connection, subscription = connected(wire)
    subscription._numbering = Numbering(0)
    connection.outbox.max_bytes = 20_000
    wire.paused = True
    for window in range(40):
        subscription.push(batch_of(window * 10 + 1, window * 10 + 10, 100))
    write_to(connection, wire)
    wire.paused = False
    await settled(connection)
    subscription.push(batch_of(401, 405))
    await settled(connection)
    results = [json.loads(text)["payload"] for text in texts(wire.written)]
    assert check(results, 0) == 405
    assert [each["extensions"]["sequence"] for each in results] == [each["data"]["n"] for each in results]
    assert len(results) < 300
    await asyncio.sleep(0)


def begin(client: Socket, kit: TenantKit, last: int, since: str | None = None) -> str:
    id_ = next(client.ids)
    variables = {"tenant": kit.info.slug, "since": since}
    payload = {"query": CHANGES, "variables": variables, "extensions": {"sequence": last}}
    client.send({"id": id_, "type": "subscribe", "payload": payload})
    stands(client)
    return id_


def results(client: Socket, count: int) -> list[dict[str, Any]]:
    """Read until so many updates are told or accounted for."""
    found: list[dict[str, Any]] = []
    accounted = 0
    while accounted < count:
        message = client.kept.pop(0) if client.kept else client.receive()
        assert message["type"] == "next", message
        found.append(message["payload"])
        accounted += 1 + message["payload"]["extensions"].get("discontinuity", {}).get("missed", 0)
    return found


def test_numbers_go_on_when_a_client_resumes(live: LiveServer) -> None:
    kit = make_tenant()
    api, token = Api(live.url, kit.key("admin")), kit.key("reader")
    last, since, told = 0, None, []
    for round_ in range(4):
        if round_:  # what happens while nobody listens
            api.upsert(*({"kind": "A", "externalId": f"away-{round_}-{n}"} for n in range(7)))
        with socket(live.ws_url, token) as client:
            begin(client, kit, last, since)
            api.upsert(*({"kind": "A", "externalId": f"{round_}-{n}"} for n in range(5)))
            found = results(client, 12 if round_ else 5)
            last = check(found, last)
            since = found[-1]["data"]["changes"]["eventId"]
            told += [each["data"]["changes"]["id"] for each in found]
    assert last == len(told) == len(set(told)) == 5 + 3 * 12


def test_numbers_say_what_a_tenants_pace_left_out(live: LiveServer) -> None:
    kit = make_tenant()
    limit = Limit(rate_per_s=20.0, burst=20)
    granting.grant(
        kit.ctx, tenant_id=kit.info.id, measure=Measure.DELIVERIES, limit=limit, lasts=timedelta(hours=1), reason="test"
    )
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as client:
        begin(client, kit, 1_000)
        for round_ in range(5):
            api.upsert(*({"kind": "A", "externalId": f"{round_}-{n}"} for n in range(40)))
        found = results(client, 200)
        assert check(found, 1_000) == 1_200
        assert len(found) < 200


def test_subscribers_with_numbers_of_their_own_share_a_selection(live: LiveServer) -> None:
    kit = make_tenant()
    api = Api(live.url, kit.key("admin"))
    with socket(live.ws_url, kit.key("reader")) as one, socket(live.ws_url, kit.key("reader")) as other:
        begin(one, kit, 0)
        begin(other, kit, 500)
        plain = one.subscribe(CHANGES, tenant=kit.info.slug)
        stands(one)
        writers = [threading.Thread(target=api.upsert, args=[{"kind": "A", "externalId": f"{n}"}]) for n in range(10)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert check(results(other, 10), 500) == 510
        mine, unnumbered = [], 0
        while len(mine) < 10 or unnumbered < 10:
            message = one.receive()
            if message["id"] == plain:
                assert "extensions" not in message["payload"]
                unnumbered += 1
            else:
                mine.append(message["payload"])
        assert check(mine, 0) == 10


def test_a_bad_number_is_an_error_of_the_operation(live: LiveServer) -> None:
    kit = make_tenant()
    with socket(live.ws_url, kit.key("reader")) as client:
        for last in (-1, "1", 2**60):
            id_ = begin(client, kit, last)  # type: ignore[arg-type]
            message = client.kept.pop(0) if client.kept else client.receive()
            assert (message["type"], message["id"]) == ("error", id_)
            assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
            assert "extensions.sequence" in message["payload"][0]["message"]
        begin(client, kit, 0)
        assert client.quiet(0.2)
