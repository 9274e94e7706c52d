"""`graphql-transport-ws`, message by message and code by code, as its text has it (PROTOCOL.md of enisdenjo/graphql-ws).

What a well-behaved client never sends is sent here over a plain websocket; the well-behaved ones are in `test_clients`.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from apps.gateway.ws_protocol import SUBPROTOCOL, SocketLimits
from tests.conformance.conftest import Service
from tests.gateway.clients import Closed, Socket, socket

QUERY = "{ __typename }"
CHANGES = "subscription ($tenant: ID!) { changes(tenantId: $tenant) { id op } }"


@pytest.fixture(scope="module")
def silent(service: Service) -> Iterator[tuple[float, Socket]]:
    """A connection that never introduces itself, and when it was opened: other checks go on while its time runs."""
    with socket(service.live.ws_url) as client:
        yield time.monotonic(), client


@pytest.fixture
def client(service: Service, silent: tuple[float, Socket]) -> Iterator[Socket]:
    """A connection that has been acknowledged."""
    with socket(service.live.ws_url, service.token) as found:
        yield found


def closed(act: Callable[[], Any]) -> int:
    with pytest.raises(Closed) as ended:
        act()
    return ended.value.code


def follow(service: Service, client: Socket) -> str:
    id_ = client.subscribe(CHANGES, tenant=service.slug)
    client.settle()
    time.sleep(0.4)
    return id_


def test_the_subprotocol_is_agreed(service: Service) -> None:
    with connect(service.live.ws_url, subprotocols=[Subprotocol(SUBPROTOCOL), Subprotocol("other")]) as connection:
        assert connection.subprotocol == SUBPROTOCOL


def test_connection_init_is_acknowledged_once(service: Service) -> None:
    with socket(service.live.ws_url) as client:
        assert client.init(Authorization=f"Bearer {service.token}") == {"type": "connection_ack"}
        assert client.quiet(0.3)


def test_a_wrong_token_is_refused(service: Service) -> None:
    with socket(service.live.ws_url) as client:
        assert closed(lambda: client.init(Authorization="Bearer wrong")) == 4403


def test_subscribe_before_the_acknowledgement_closes(service: Service) -> None:
    with socket(service.live.ws_url) as client:
        client.subscribe(QUERY)
        assert closed(client.receive) == 4401


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{nonsense", 4400),
        ('{"type": "gibberish"}', 4400),
        ('{"id": "x"}', 4400),
        ('{"id": "p", "type": "subscribe"}', 4400),
        ('{"id": "q", "type": "subscribe", "payload": {}}', 4400),
        ('{"type": "subscribe", "payload": {"query": "{ __typename }"}}', 4400),
        ('{"type": "connection_init"}', 4429),
    ],
    ids=["no JSON", "unknown type", "no type", "no payload", "no query", "no id", "second init"],
)
def test_what_is_no_message_of_the_protocol_closes(client: Socket, message: str, code: int) -> None:
    client.connection.send(message)
    assert closed(client.receive) == code


def test_an_id_in_use_closes(service: Service, client: Socket) -> None:
    for _ in range(2):
        client.send(
            {"id": "d", "type": "subscribe", "payload": {"query": CHANGES, "variables": {"tenant": service.slug}}}
        )
    assert closed(client.receive) == 4409


def test_a_foreign_subprotocol_is_refused(service: Service) -> None:
    try:
        with connect(service.live.ws_url, subprotocols=[Subprotocol("made-up-protocol")]) as connection:
            assert closed(Socket(connection).receive) == 4406
    except InvalidStatus as refused:
        assert 400 <= refused.response.status_code < 500


def test_ping_is_answered_by_pong(client: Socket) -> None:
    client.send({"type": "ping"})
    assert client.receive()["type"] == "pong"


def test_a_pong_that_nobody_asked_for_and_a_complete_of_nothing_are_passed_over(client: Socket) -> None:
    client.send({"type": "pong", "payload": {"unasked": True}})
    client.send({"id": "none", "type": "complete"})
    client.settle()
    assert client.kept == []


def test_a_query_gives_one_next_then_complete(client: Socket) -> None:
    id_ = client.subscribe(QUERY)
    answer = client.receive()
    assert (answer["id"], answer["type"], answer["payload"]["data"]) == (id_, "next", {"__typename": "Query"})
    assert client.receive() == {"id": id_, "type": "complete"}
    assert client.quiet(0.3)


def test_an_invalid_document_gives_one_error_with_a_list_and_nothing_more(client: Socket) -> None:
    id_ = client.subscribe("{ noSuchFieldAnywhere }")
    message = client.receive()
    assert (message["id"], message["type"]) == (id_, "error")
    assert isinstance(message["payload"], list) and message["payload"][0]["message"]
    assert client.quiet(0.3)


def test_an_id_is_free_again_after_complete(client: Socket) -> None:
    for _ in range(2):
        client.send({"id": "again", "type": "subscribe", "payload": {"query": QUERY}})
        assert [client.receive()["type"], client.receive()["type"]] == ["next", "complete"]


def test_two_subscriptions_run_side_by_side_and_one_stops_alone(service: Service, client: Socket) -> None:
    first, second = follow(service, client), follow(service, client)
    made = service.api.upsert({"kind": "A", "externalId": "side by side"})[0]["id"]
    assert client.next(first)["changes"]["id"] == made == client.next(second)["changes"]["id"]
    client.send({"id": first, "type": "complete"})
    client.settle()
    again = service.api.upsert({"kind": "A", "externalId": "alone"})[0]["id"]
    assert client.next(second)["changes"]["id"] == again
    assert client.quiet(0.3) and client.kept == []


def test_silence_after_opening_closes_in_time(silent: tuple[float, Socket]) -> None:
    began, client = silent
    assert closed(lambda: client.receive(20)) == 4408
    assert time.monotonic() - began >= SocketLimits().init_timeout_s - 0.5
