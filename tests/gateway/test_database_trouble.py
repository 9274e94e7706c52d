"""Statements that PostgreSQL ended, by its own errors: each door says what happened and when to come back."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.db import OperationalError, connections
from django.test import RequestFactory
from graphql import GraphQLError

from apps.gateway.away import TROUBLE, refusal_of
from apps.gateway.graphql_errors import format_error
from apps.gateway.rest.answers import refusal
from tests.conftest import make_tenant
from tests.gateway.clients import Socket, socket
from tests.gateway.live_server import LiveServer, running

AWAY = "the database cannot be reached now"
LATE = "the database could not finish this in time"
YIELDS = "others were changing the same at this moment, and this had to yield"
BROKE = "the database could not finish this"
ENTITIES = "{ entities(first: 1) { nodes { id } } }"
SEARCH = '{ search(q: "nobody") { nodes { id } } }'


def raised(*statements: str) -> OperationalError:
    """Return Django's error for what PostgreSQL said to one of these statements."""
    connection = connections["default"].copy()
    try:
        with pytest.raises(OperationalError) as error, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        return error.value
    finally:
        connection.close()


def with_state(state: str) -> OperationalError:
    return raised(f"do $$ begin raise exception 'no' using errcode = '{state}'; end $$")


@contextmanager
def two() -> Iterator[list[psycopg.Connection[Any]]]:
    """Two sessions on a table of their own with rows 1 and 2."""
    url = os.environ["DATABASE_OWNER_URL"]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("create table if not exists yielding (id int primary key, n int not null)")
        owner.execute("insert into yielding values (1, 0), (2, 0) on conflict do nothing")
        pair = [psycopg.connect(url), psycopg.connect(url)]
        try:
            yield pair
        finally:
            for each in pair:
                each.close()
            owner.execute("drop table yielding")


def deadlock() -> psycopg.Error:
    with two() as (one, other), ThreadPoolExecutor() as together:
        one.execute("update yielding set n = 1 where id = 1")
        other.execute("update yielding set n = 1 where id = 2")
        ready = threading.Barrier(2)

        def cross(session: psycopg.Connection[Any], row: int) -> psycopg.Error | None:
            ready.wait()
            try:
                session.execute("update yielding set n = 2 where id = %s", (row,))
                session.commit()
            except psycopg.Error as error:
                session.rollback()
                return error
            return None

        ends = [together.submit(cross, one, 2), together.submit(cross, other, 1)]
        (error,) = [found for found in (end.result() for end in ends) if found is not None]
        return error


def serialization_failure() -> psycopg.Error:
    with two() as pair:
        for each in pair:
            each.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            each.execute("select sum(n) from yielding")
        for row, each in enumerate(pair, 1):
            each.execute("update yielding set n = n + 1 where id = %s", (row,))
        pair[0].commit()
        with pytest.raises(psycopg.Error) as error:
            pair[1].commit()
        return error.value


def refused_connection() -> psycopg.Error:
    with pytest.raises(psycopg.Error) as error:
        psycopg.connect("postgresql://ig_app@127.0.0.1:1/nowhere", connect_timeout=1)
    return error.value


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: raised("set statement_timeout = 50", "select pg_sleep(5)"), LATE),
        (deadlock, YIELDS),
        (serialization_failure, YIELDS),
        (lambda: with_state("55P03"), YIELDS),
        (lambda: with_state("58030"), BROKE),
        (refused_connection, AWAY),
        (lambda: raised("select pg_terminate_backend(pg_backend_pid())"), AWAY),
        (lambda: with_state("53300"), AWAY),
        (lambda: with_state("57P01"), AWAY),
        (lambda: with_state("08006"), AWAY),
    ],
    ids=["timeout", "deadlock", "serialization", "lock", "io", "nobody", "terminated", "full", "shutdown", "lost"],
)
def test_the_refusal_says_what_happened(make: Callable[[], Exception], words: str) -> None:
    error = make()
    assert isinstance(error, TROUBLE)
    assert refusal_of(error).message == words
    told = format_error(GraphQLError("no", original_error=error), "r")
    assert (told["message"], told["extensions"]["code"]) == (words, "INTERNAL")
    assert "try again in 5 s" in told["extensions"]["mend"]
    answer = refusal(RequestFactory().get("/api/v1/entities/x"), error)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert words in answer.content.decode()


def _failed(client: Socket, query: str, **variables: Any) -> dict[str, Any]:
    id_ = client.subscribe(query, **variables)
    while (message := client.receive())["id"] != id_:
        pass
    payload = message["payload"]
    error: dict[str, Any] = payload[0] if message["type"] == "error" else payload["errors"][0]
    return error


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    url = os.environ["DATABASE_URL"]
    bounded = f"{url}{'&' if '?' in url else '?'}options=-c%20statement_timeout%3D400"
    with running(Path(tmp_path_factory.mktemp("impatient")), DATABASE_URL=bounded) as server:
        yield server


def test_each_door_says_that_it_took_too_long(impatient: LiveServer) -> None:
    kit = make_tenant()
    key = kit.key("admin")
    url, entity = impatient.url, "/api/v1/entities/01990000-0000-7000-8000-000000000009"
    with (
        httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=30) as client,
        socket(impatient.ws_url, key) as live,
        psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner,
    ):
        assert client.get(entity).status_code == 404
        owner.execute("lock table graph_entity in access exclusive mode")
        answer = client.get(entity)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
        assert answer.json()["detail"] == LATE
        for query in (ENTITIES, SEARCH):
            answered = client.post("/graphql", json={"query": query})
            assert LATE in answered.text and AWAY not in answered.text
            assert answered.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
            assert _failed(live, query)["message"] == LATE
        owner.rollback()
        assert client.get(entity).status_code == 404
        assert live.next(live.subscribe(ENTITIES)) == {"entities": {"nodes": []}}
