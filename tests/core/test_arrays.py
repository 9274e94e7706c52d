"""Lists as binary arrays: the same values as psycopg's own way, through a real PostgreSQL."""

from typing import Any
from uuid import UUID, uuid4

from django.db import connections
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.postgresql.arrays import FastListBinaryDumper
from tests.conftest import TenantKit

TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), min_size=1, max_size=30)


def returned(cast: str, values: list[Any]) -> list[Any]:
    """Return what PostgreSQL reads from the list."""
    connection: Any = connections["default"]
    return [
        row[0]
        for row in connection.prepared(
            f"select x from unnest(%b::{cast}[]) with ordinality as u(x, n) order by n", (values,)
        )
    ]


@settings(max_examples=40, deadline=None)
@given(
    TEXTS,
    st.lists(st.binary(max_size=40), min_size=1, max_size=30),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=30),
)
def test_lists_arrive_as_they_were_sent(texts: list[str], blobs: list[bytes], numbers: list[int]) -> None:
    assert returned("text", texts) == texts
    assert [bytes(blob) for blob in returned("bytea", blobs)] == blobs
    assert returned("int", numbers) == numbers
    ids = [uuid4() for _ in numbers]
    assert returned("uuid", ids) == ids


def test_lists_with_gaps_mixed_or_empty_take_psycopgs_way(tenant: TenantKit) -> None:
    assert returned("text", ["a", None, "ü"]) == ["a", None, "ü"]
    assert returned("uuid", [None, UUID(int=1)]) == [None, UUID(int=1)]
    assert returned("text", []) == []
    assert returned("bigint", [1, 2**40, -(2**62)]) == [1, 2**40, -(2**62)]
    assert returned("bool", [True, False]) == [True, False]


def test_our_connections_use_the_fast_way(tenant: TenantKit) -> None:
    connection = connections["default"]
    connection.ensure_connection()
    dumper = connection.connection.adapters.get_dumper(list, "b")
    assert dumper is FastListBinaryDumper
