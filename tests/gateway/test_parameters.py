"""Parameters of a request: every wrong type is refused by name."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from apps.gateway.parameters import BadRequest, Parameters, from_body, from_query_string

SHA = "a" * 64


def body(**raw: Any) -> bytes:
    return orjson.dumps(raw)


def test_all_parameters() -> None:
    read = from_body(body(query="{ a }", operationName="A", variables={"x": 1}, extensions={"some": "value"}))
    assert read == Parameters("{ a }", "A", {"x": 1}, {"some": "value"})


def test_null_is_absent() -> None:
    assert from_body(body(query="{ a }", operationName=None, variables=None, extensions=None)) == Parameters("{ a }")


@pytest.mark.parametrize("parameter", ["query", "operationName", "variables", "extensions"])
@pytest.mark.parametrize("wrong", [{"obj": "ect"}, 0, False, ["array"], "text"])
def test_wrong_types_are_refused_by_name(parameter: str, wrong: Any) -> None:
    if parameter in {"query", "operationName"} and isinstance(wrong, str):
        return
    if parameter in {"variables", "extensions"} and isinstance(wrong, dict):
        return
    with pytest.raises(BadRequest) as refused:
        from_body(body(**{"query": "{ a }", parameter: wrong}))
    assert refused.value.field == parameter


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"  ",
        b"{ not json",
        b'"text"',
        b"null",
        b"17",
        b"[]",
        b'[{"query": "{ a }"}]',
        b"{}",
        b'{"query": ""}',
        b'{"query": "\xff"}',
        b'{"query": "\\ud800"}',
        b'{"qeury": "{ a }"}',
    ],
)
def test_malformed_bodies(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        from_body(raw)


def test_query_string() -> None:
    read = from_query_string(urlencode({"query": "{ a }", "variables": '{"x": "é"}', "other": "1"}).encode())
    assert read == Parameters("{ a }", variables={"x": "é"})


@pytest.mark.parametrize(
    "query_string",
    [
        b"",
        b"query=a&query=b",
        b"query=a&variables=nonsense",
        b"query=a&variables=[]",
        b"query=%ff",
        b"query=a&extensions=1",
        b"\xff",
    ],
)
def test_bad_query_strings(query_string: bytes) -> None:
    with pytest.raises(BadRequest):
        from_query_string(query_string)


def test_a_hash_alone_is_a_request() -> None:
    read = from_body(body(extensions={"persistedQuery": {"version": 1, "sha256Hash": SHA}}))
    assert (read.query, read.sha256) == ("", SHA)


@pytest.mark.parametrize(
    "persisted",
    [
        {"version": 2, "sha256Hash": SHA},
        {"sha256Hash": SHA},
        {"version": 1},
        {"version": 1, "sha256Hash": "A" * 64},
        {"version": 1, "sha256Hash": 5},
        "text",
        [],
    ],
)
def test_bad_hashes(persisted: Any) -> None:
    with pytest.raises(BadRequest):
        from_body(body(query="{ a }", extensions={"persistedQuery": persisted}))
