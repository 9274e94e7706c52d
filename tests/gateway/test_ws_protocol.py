"""graphql-transport-ws as a machine: every message, every close code."""

import string
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.ws_protocol import (
    Authenticate,
    Close,
    Effect,
    Machine,
    Phase,
    Ponged,
    Send,
    SocketLimits,
    Start,
    Stop,
)


def text(**message: Any) -> str:
    return orjson.dumps(message).decode()


def ready(anonymous: bool = False, limits: SocketLimits | None = None) -> Machine:
    machine = Machine(limits or SocketLimits())
    machine.received(text(type="connection_init"), 0.0)
    machine.acknowledge(anonymous=anonymous)
    return machine


def sent(effects: list[Effect]) -> list[Any]:
    return [orjson.loads(effect.text) for effect in effects if isinstance(effect, Send)]


def code_of(effects: list[Effect]) -> int | None:
    return next((effect.code for effect in effects if isinstance(effect, Close)), None)


SUBSCRIBE = {"type": "subscribe", "id": "1", "payload": {"query": "{ a }"}}


def test_init_is_authenticated_then_acknowledged() -> None:
    machine = Machine()
    assert machine.received(text(type="connection_init", payload={"Authorization": "Bearer x"}), 0) == [
        Authenticate({"Authorization": "Bearer x"})
    ]
    assert sent(machine.acknowledge(anonymous=False)) == [{"type": "connection_ack"}]
    assert machine.phase is Phase.READY


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("{nonsense", 4400),
        ("[]", 4400),
        ('"text"', 4400),
        ('{"type": "gibberish"}', 4400),
        ('{"id": "x"}', 4400),
        ('{"type": 5}', 4400),
        ('{"type":"subscribe","payload":{"query":"{a}"}}', 4400),
        ('{"type":"subscribe","id":"","payload":{"query":"{a}"}}', 4400),
        ('{"type":"subscribe","id":5,"payload":{"query":"{a}"}}', 4400),
        ('{"type":"subscribe","id":"x"}', 4400),
        ('{"type":"subscribe","id":"x","payload":{}}', 4400),
        ('{"type":"subscribe","id":"x","payload":{"query":5}}', 4400),
        ('{"type":"subscribe","id":"x","payload":{"query":""}}', 4400),
        ('{"type":"subscribe","id":"x","payload":{"query":"{a}","variables":[]}}', 4400),
        ('{"type":"subscribe","id":"x","payload":{"query":"{a}","operationName":5}}', 4400),
        ('{"type":"subscribe","id":"x","payload":{"query":"{a}","extensions":"x"}}', 4400),
        ('{"type":"ping","payload":"x"}', 4400),
        ('{"type":"pong","payload":5}', 4400),
        ('{"type":"complete"}', 4400),
        ('{"type":"next","id":"x"}', 4400),
        ('{"type":"connection_init"}', 4429),
        (text(type="subscribe", id="x" * 257, payload={"query": "{a}"}), 4400),
        ("x" * 300_000, 1009),
        ("é" * 140_000, 1009),
    ],
)
def test_bad_messages_close_with_their_code(raw: str, code: int) -> None:
    machine = ready()
    assert code_of(machine.received(raw, 0)) == code
    assert machine.phase is Phase.CLOSED
    assert machine.received(text(type="ping"), 0) == []


def test_reasons_fit_a_close_frame() -> None:
    machine = ready()
    machine.received(text(**{**SUBSCRIBE, "id": "é" * 200}), 0)
    effects = machine.received(text(**{**SUBSCRIBE, "id": "é" * 200}), 0)
    close = next(effect for effect in effects if isinstance(effect, Close))
    assert close.code == 4409
    assert len(close.reason.encode()) <= 123


def test_the_other_codes() -> None:
    assert code_of(Machine().received(text(**SUBSCRIBE), 0)) == 4401
    asking = Machine()
    asking.received(text(type="connection_init"), 0)
    assert code_of(asking.received(text(**SUBSCRIBE), 0)) == 4401
    assert code_of(ready(anonymous=True).received(text(**SUBSCRIBE), 0)) == 4401
    assert code_of(ready(anonymous=True).nobody_timed_out()) == 4401
    assert ready().nobody_timed_out() == []
    twice = Machine()
    twice.received(text(type="connection_init"), 0)
    assert code_of(twice.received(text(type="connection_init"), 0)) == 4429
    assert code_of(Machine().init_timed_out()) == 4408
    assert ready().init_timed_out() == []
    assert code_of(Machine().offered([])) == 4406
    assert code_of(Machine().offered(["graphql-ws"])) == 4406
    assert Machine().offered(["graphql-ws", "graphql-transport-ws"]) == []
    assert code_of(ready().received_bytes()) == 1003
    refused = Machine()
    refused.received(text(type="connection_init"), 0)
    assert code_of(refused.refuse()) == 4403


def test_an_operation_starts_yields_and_completes() -> None:
    machine = ready()
    assert machine.received(text(**SUBSCRIBE), 0) == [Start("1", {"query": "{ a }"})]
    assert sent(machine.next("1", {"data": {"a": 1}})) == [{"id": "1", "type": "next", "payload": {"data": {"a": 1}}}]
    assert sent(machine.completed("1")) == [{"id": "1", "type": "complete"}]
    assert machine.next("1", {"data": None}) == []
    assert machine.received(text(**SUBSCRIBE), 0) == [Start("1", {"query": "{ a }"})]


def test_an_id_in_use_closes_and_stops_all() -> None:
    machine = ready()
    machine.received(text(**SUBSCRIBE), 0)
    effects = machine.received(text(**SUBSCRIBE), 0)
    assert code_of(effects) == 4409
    assert Stop("1") in effects


def test_the_client_completes() -> None:
    machine = ready()
    machine.received(text(**SUBSCRIBE), 0)
    assert machine.received(text(type="complete", id="1"), 0) == [Stop("1")]
    assert machine.received(text(type="complete", id="1"), 0) == []
    assert machine.next("1", {"data": {}}) == []


def test_an_error_ends_the_operation() -> None:
    machine = ready()
    machine.received(text(**SUBSCRIBE), 0)
    assert sent(machine.failed("1", [{"message": "no"}])) == [
        {"id": "1", "type": "error", "payload": [{"message": "no"}]}
    ]
    assert machine.completed("1") == []


def test_ping_and_pong() -> None:
    machine = Machine()
    assert sent(machine.received(text(type="ping"), 0)) == [{"type": "pong"}]
    assert sent(machine.received(text(type="ping", payload={"a": 1}), 0)) == [{"type": "pong", "payload": {"a": 1}}]
    assert machine.received(text(type="pong"), 0) == []
    assert machine.received(text(type="pong", payload={}), 0) == []
    assert machine.received(text(type="pong", payload={"a": 1}), 0) == [Ponged({"a": 1})]


def test_operations_are_limited_one_by_one() -> None:
    machine = ready(limits=SocketLimits(max_operations=2))
    for name in "12":
        machine.received(text(**{**SUBSCRIBE, "id": name}), 0)
    told = sent(machine.received(text(**{**SUBSCRIBE, "id": "3"}), 0))
    assert told[0]["type"] == "error"
    assert told[0]["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert machine.operations == {"1", "2"}


def test_a_flood_closes_and_patience_does_not() -> None:
    limits = SocketLimits(messages_per_s=10, message_burst=5)
    patient, flooding = ready(limits=limits), ready(limits=limits)
    assert all(code_of(patient.received(text(type="ping"), second / 5)) is None for second in range(100))
    codes = [code_of(flooding.received(text(type="ping"), 0.0)) for _ in range(6)]
    assert codes[-1] == 4429 or 4429 in codes


def test_persisted_documents_need_no_text() -> None:
    payload = {"query": "", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "a" * 64}}}
    assert ready().received(text(type="subscribe", id="1", payload=payload), 0) == [Start("1", payload)]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(string.printable),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "payload", "query", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["connection_init", "ping", "pong", "subscribe", "complete", "next", "x"])},
    optional={"id": anything, "payload": anything},
)


@given(st.lists(messages | anything, max_size=12))
def test_no_sequence_of_messages_breaks_it(sequence: list[Any]) -> None:
    machine = Machine()
    closed = False
    for message in sequence:
        effects = machine.received(orjson.dumps(message).decode(), 0.0)
        assert not (closed and effects)
        for effect in effects:
            if isinstance(effect, Authenticate):
                machine.acknowledge(anonymous=False)
            if isinstance(effect, Close):
                closed = True
                assert 1000 <= effect.code < 5000
                assert len(effect.reason.encode()) <= 123


def test_a_ping_that_cannot_be_written_back_closes() -> None:
    nested = '{"a":' * 300 + "1" + "}" * 300
    assert code_of(ready().received(f'{{"type":"ping","payload":{nested}}}', 0)) == 4400
