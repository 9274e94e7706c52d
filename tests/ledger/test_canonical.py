"""Canonical JSON: the bytes of RFC 8785 within the domain, a clear refusal outside it."""

import enum
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from apps.ledger import canonical, verifier
from apps.ledger.errors import LedgerEncodingError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_writes_the_bytes_of_rfc_8785(value: Any) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_round_trip_and_agreement_with_the_standalone_verifier(value: Any) -> None:
    encoded = canonical.encode(value)
    assert json.loads(encoded) == value
    assert verifier.parse(encoded, "value") == value
    assert verifier.canonical(value) == encoded


class Colour(enum.StrEnum):
    RED = "red"


def test_takes_what_is_text_or_a_list_by_nature() -> None:
    assert canonical.encode({"b": (1, 2), "a": Colour.RED}) == b'{"a":"red","b":[1,2]}'


def _deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ({"data": {"rate": 0.5}}, "$.data.rate", "floating-point"),
        ({"data": [1, {"n": 2**53}]}, "$.data[1].n", "2^53"),
        ({"n": -(2**53)}, "$.n", "2^53"),
        ({"clé": 1}, "$", "ASCII"),
        ({"a": {1: 2}}, "$.a", "ASCII"),
        ({"a": [b"raw"]}, "$.a[0]", "bytes"),
        ({"a": {"b": ["\ud800"]}}, "$.a.b[0]", "surrogate"),
        ({"a": float("nan")}, "$.a", "floating-point"),
        ({"a": {1, 2}}, "$.a", "set"),
        (_deep(70), "[0]", "deep"),
        ({"a": "x" * (canonical.MAX_BYTES + 1)}, "$", "at most"),
    ],
)
def test_refuses_and_names_the_place(value: Any, path: str, problem: str) -> None:
    with pytest.raises(LedgerEncodingError) as caught:
        canonical.encode(value)
    place, _, words = caught.value.message.partition(": ")
    assert path in place
    assert problem in words


def test_a_key_that_is_not_unicode_is_refused_too() -> None:
    with pytest.raises(LedgerEncodingError):
        canonical.encode({"\udfff": 1})
