"""What refuses an operation ends only that operation; what ends access ends the connection, by its own code."""

import asyncio
import json
from typing import Any

import pytest
from django.db import OperationalError
from psycopg.errors import DeadlockDetected, QueryCanceled

from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    Misdirected,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    StepUpRequired,
    TenantSuspended,
    TooComplex,
    Unauthenticated,
    Unavailable,
)
from apps.gateway import pipeline
from apps.gateway.pipeline import Arrival, Passage
from apps.gateway.ws_app import Connection
from apps.gateway.ws_outbox import Outbox
from tests.gateway.test_batches import Wire, connected, texts

CALLER = Context(actor=Actor(ActorKind.API_KEY, "1"), roles=frozenset({"reader"}))


def caused(cause: Exception) -> OperationalError:
    error = OperationalError("no")
    error.__cause__ = cause
    return error


def standing(wire: Wire) -> Connection:
    connection, _ = connected(wire)
    connection.ctx, connection.machine.anonymous = CALLER, False
    return connection


ENDINGS = [
    (Unauthenticated("the key was revoked"), 4401),
    (StepUpRequired("confirm"), 4403),
    (Forbidden("a fence was drawn"), 4403),
    (TenantSuspended("suspended"), 4403),
    (NotFound("no such tenant"), 4403),
    (Misdirected("elsewhere"), 4403),
]
REFUSALS = [
    (RateLimited("slower", retry_after_s=1), "RATE_LIMITED"),
    (Unavailable("away"), "INTERNAL"),
    (InvalidInput("what is this", field="purpose"), "BAD_USER_INPUT"),
    (TooComplex("too much"), "TOO_COMPLEX"),
    (PayloadTooLarge("too large"), "BAD_USER_INPUT"),
    (Conflict("not now"), "CONFLICT"),
    (OperationalError("connection lost"), "INTERNAL"),
    (caused(QueryCanceled("late")), "INTERNAL"),
    (caused(DeadlockDetected("yielded")), "INTERNAL"),
    (RuntimeError("a bug"), "INTERNAL"),
]


def named(value: Any) -> str:
    return type(value).__name__ if isinstance(value, Exception) else str(value)


@pytest.mark.parametrize(("error", "code"), ENDINGS, ids=named)
async def test_access_that_ended_ends_the_connection(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(arrival: Arrival) -> Passage:
        raise error

    for stage in ("admit", "look_again"):
        monkeypatch.setattr(pipeline, stage, refuse)
        wire = Wire()
        connection = standing(wire)
        if stage == "admit":
            await connection._operate("1", {"query": "{ __typename }"})
        else:
            await connection.revalidate()
        assert connection.outbox.take() == (code, "Access has ended")
        assert wire.written == b"" and not connection.machine.operations


@pytest.mark.parametrize(("error", "code"), REFUSALS, ids=named)
async def test_a_refusal_of_an_operation_leaves_the_others(
    error: Exception, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(arrival: Arrival) -> Passage:
        raise error

    monkeypatch.setattr(pipeline, "admit", refuse)
    wire = Wire()
    connection = standing(wire)
    connection.machine.operations.add("2")
    await connection._operate("1", {"query": "{ __typename }"})
    (message,) = [json.loads(text) for text in texts(wire.written)]
    assert (message["id"], message["type"]) == ("1", "error")
    assert message["payload"][0]["extensions"]["code"] == code
    assert "a bug" not in message["payload"][0]["message"]
    assert connection.machine.operations == {"2"}
    assert not connection.outbox.closing
    monkeypatch.undo()
    monkeypatch.setattr(pipeline, "admit", lambda arrival: Passage(arrival, CALLER))
    await connection._operate("2", {"query": "{ __typename }"})
    assert [json.loads(text)["type"] for text in texts(wire.written)] == ["error", "next", "complete"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("away"), 1013),
        (OperationalError("lost"), 1013),
        (caused(QueryCanceled("late")), 1013),
        (InvalidInput("odd"), 1012),
        (RuntimeError("a bug"), 1012),
    ],
    ids=named,
)
async def test_a_caller_who_cannot_be_looked_at_is_not_let_stay(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(arrival: Arrival) -> Passage:
        raise error

    monkeypatch.setattr(pipeline, "look_again", refuse)
    connection = standing(Wire())
    await connection.revalidate()
    assert connection.outbox.code == code
    assert not connection.machine.operations


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("away"), 1013),
        (caused(DeadlockDetected("yielded")), 1013),
        (Unauthenticated("no"), 4403),
        (InvalidInput("odd"), 4403),
        (RuntimeError("a bug"), 1011),
    ],
    ids=named,
)
async def test_connecting_is_refused_by_its_code(error: Exception, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(passage: Passage, stages: object) -> Passage:
        raise error

    monkeypatch.setattr(pipeline, "walk", refuse)
    connection, _ = connected(Wire())
    await connection.authenticate({})
    assert connection.outbox.code == code
    await asyncio.gather(*connection._chores)


@pytest.mark.parametrize("reason", ["é" * 200, "x" * 200, "\ud800" * 10, "short"])
def test_a_reason_fits_its_frame(reason: str) -> None:
    outbox = Outbox()
    outbox.close(4403, reason)
    code, said = outbox.take()  # type: ignore[misc]
    assert code == 4403 and len(said.encode()) <= 123
    assert said and (said == "?" * 10 if "\ud800" in reason else reason.startswith(said))
