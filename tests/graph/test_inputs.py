"""The quick look at properties and the walk through them never disagree on what may be written."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.graph.inputs import _plainly_sound, check_entity, property_fault
from apps.graph.types import EntityInput

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["0" * 16, "\0", "\\u0000", "\ud800"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.text(max_size=5) | st.just("\0") | st.just("\udfff"), VALUES, max_size=5))
def test_what_looks_sound_is_sound(properties: dict[str, Any]) -> None:
    if _plainly_sound(properties) is not None:
        assert property_fault(properties) == ""
    wrong = check_entity(0, EntityInput("Thing", "1", properties=properties))
    assert (wrong is not None) == bool(property_fault(properties))


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"v": value}


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (2**53 + 1, "2^53"),
        (-(2**53) - 1, "2^53"),
        (2**70, "2^53"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (datetime.now(UTC), "not JSON"),
        ({1: 2}, "not text"),
        ({"a": {"b": b"x"}}, "not JSON"),
    ],
)
def test_what_postgresql_could_not_hold_is_named(value: Any, fault: str) -> None:
    wrong = check_entity(3, EntityInput("Thing", "1", properties={"field": value}))
    assert wrong is not None and (wrong.index, wrong.field) == (3, "properties")
    assert fault in wrong.message


def test_depth_and_size_are_bounded() -> None:
    assert check_entity(0, EntityInput("Thing", "1", properties=nested(31))) is None
    assert "deeper" in str(check_entity(0, EntityInput("Thing", "1", properties=nested(40))))
    assert "larger" in str(check_entity(0, EntityInput("Thing", "1", properties={"text": "x" * 300_000})))
    many = {"list": [{"n": i} for i in range(500)]}  # many brackets, little depth
    assert check_entity(0, EntityInput("Thing", "1", properties=many)) is None
    for number in (2**53, -(2**53), 1234567890123456):
        assert check_entity(0, EntityInput("Thing", "1", properties={"n": number})) is None
