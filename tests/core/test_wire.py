"""Frequent statements on the wire: the transaction begins with them, errors leave a sound connection."""

import os
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connections, transaction
from psycopg.adapt import PyFormat
from psycopg.pq import TransactionStatus

from apps.core.postgresql.wire import MAX_KEPT, translated
from apps.core.scope import tenant_scope
from apps.core.statements import run_prepared
from tests.conftest import TenantKit


@pytest.fixture
def alias(tenant: TenantKit) -> Iterator[str]:
    """The application's connection, inside a tenant."""
    with tenant_scope(tenant.info.id):
        connections["default"].close()
        yield "default"


def status() -> TransactionStatus:
    return connections["default"].connection.pgconn.transaction_status


def test_placeholders_become_numbers() -> None:
    text, formats = translated("select %s, %b::int[], %t, 'a%%b'")
    assert text == b"select $1, $2::int[], $3, 'a%b'"
    assert formats == (PyFormat.AUTO, PyFormat.BINARY, PyFormat.TEXT)
    with pytest.raises(KeyError):
        translated("select %d")


def test_values_come_back_as_they_went(alias: str) -> None:
    values: list[Any] = [
        1,
        None,
        "é\n%",
        b"\x00\xff",
        UUID(int=7),
        datetime(2026, 11, 21, tzinfo=UTC),
        True,
        ["a", None],
    ]
    casts = ("int", "int", "text", "bytea", "uuid", "timestamptz", "bool", "text[]")
    sql = f"select {', '.join('%s::' + cast for cast in casts)}"
    for _ in range(2):  # the second time it is prepared
        assert run_prepared(alias, sql, values) == [tuple(values)]
        with transaction.atomic():
            assert run_prepared(alias, sql, values) == [tuple(values)]


def test_one_statement_may_be_sent_with_other_types(alias: str) -> None:
    assert run_prepared(alias, "select %s::text", ["x"]) == [("x",)]
    assert run_prepared(alias, "select %s::text", [5]) == [("5",)]
    assert run_prepared(alias, "select %s::text", ["y"]) == [("y",)]


def test_a_transaction_begins_with_its_first_statement(alias: str) -> None:
    ids = "select pg_current_xact_id()::text, pg_backend_pid()"
    run_prepared(alias, ids, ())
    assert status() == TransactionStatus.IDLE
    with transaction.atomic():
        first = run_prepared(alias, ids, ())
        assert status() == TransactionStatus.INTRANS
        assert run_prepared(alias, ids, ()) == first
        with connections[alias].cursor() as cursor:
            cursor.execute(ids)
            assert cursor.fetchall() == first
    assert status() == TransactionStatus.IDLE
    assert run_prepared(alias, ids, ()) != first


def test_a_statement_prepared_inside_its_transaction_begins_it_too(alias: str) -> None:
    with transaction.atomic():
        run_prepared(alias, "select 'never sent before'", ())
        assert status() == TransactionStatus.INTRANS
    assert status() == TransactionStatus.IDLE


def test_without_a_statement_nothing_is_begun_or_committed(alias: str) -> None:
    run_prepared(alias, "select 1", ())
    with transaction.atomic():
        assert status() == TransactionStatus.IDLE
    assert status() == TransactionStatus.IDLE


@pytest.mark.parametrize("known", [False, True])
def test_an_error_in_the_first_statement_rolls_back_and_leaves_a_sound_connection(alias: str, known: bool) -> None:
    sql = f"select 1 / %s::int, {known!r}"
    if known:
        assert run_prepared(alias, sql, [1]) == [(1, True)]
    with pytest.raises(DatabaseError, match="division by zero"), transaction.atomic():
        run_prepared(alias, sql, [0])
    assert status() == TransactionStatus.IDLE
    assert run_prepared(alias, sql, [1]) == [(1, known)]
    with transaction.atomic():
        with pytest.raises(DatabaseError), transaction.atomic():
            run_prepared(alias, sql, [0])
        assert run_prepared(alias, sql, [1]) == [(1, known)]


def test_errors_are_djangos(alias: str, tenant: TenantKit) -> None:
    sql = "insert into tenants_tenant (id) values (%s)"
    with pytest.raises(DatabaseError) as found:
        run_prepared(alias, sql, [uuid4()])
    assert isinstance(found.value.__cause__, psycopg.Error)
    with pytest.raises(IntegrityError), transaction.atomic():
        run_prepared(
            alias,
            "insert into graph_kind_count (tenant_id, ref_kind, kind, count) values (%s, null, '', 0)",
            [tenant.info.id],
        )


def test_large_values_go_through_in_the_first_message(alias: str) -> None:
    sql = "select length(%s::bytea), md5(%s::text)"
    big = b"x" * (24 << 20)
    run_prepared(alias, sql, [b"", ""])
    with transaction.atomic():
        assert run_prepared(alias, sql, [big, "a" * (8 << 20)])[0][0] == len(big)
        assert len(run_prepared(alias, "select repeat('y', %s)", [16 << 20])[0][0]) == 16 << 20


@pytest.mark.parametrize("inside", [False, True])
def test_a_lost_connection_is_told_and_the_next_one_works(alias: str, inside: bool) -> None:
    run_prepared(alias, "select %s::int", [1])
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [connections[alias].connection.info.backend_pid])
    with pytest.raises(OperationalError), transaction.atomic() if inside else nullcontext():
        run_prepared(alias, "select %s::int", [2])
    connections[alias].close_if_unusable_or_obsolete()
    assert run_prepared(alias, "select %s::int", [3]) == [(3,)]


@pytest.mark.parametrize("inside", [False, True])
def test_other_threads_go_on_while_a_statement_runs(alias: str, inside: bool) -> None:
    run_prepared(alias, "select pg_sleep(%s)", [0.0])
    ticks, done = [0], threading.Event()

    def count() -> None:
        while not done.wait(0.005):
            ticks[0] += 1

    counter = threading.Thread(target=count)
    counter.start()
    try:
        with transaction.atomic() if inside else nullcontext():
            run_prepared(alias, "select pg_sleep(%s)", [0.5])
    finally:
        done.set()
        counter.join()
    assert ticks[0] > 10


def test_a_connection_keeps_the_statements_it_used_last(alias: str) -> None:
    def kept() -> int:
        return int(run_prepared(alias, "select count(*) from pg_prepared_statements where name like 'ig%%'", ())[0][0])

    for number in range(MAX_KEPT + 20):
        assert run_prepared(alias, f"select {number} + %s::int", [1]) == [(number + 1,)]
        assert run_prepared(alias, "select 0 + %s::int", [2]) == [(2,)]
    assert kept() == MAX_KEPT
    assert run_prepared(alias, "select 1 + %s::int", [1]) == [(2,)]  # was dropped meanwhile
