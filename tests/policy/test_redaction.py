"""What tagged data looks like to whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.context import Actor, ActorKind, Context
from apps.core.ids import new_id
from apps.graph.types import DataClass as GraphDataClass
from apps.graph.types import RedactionPolicy as GraphRedactionPolicy
from apps.policy.redaction import MASKED, shown_properties, shown_text
from apps.policy.rulings import visibility
from apps.policy.services import clearance
from apps.policy.types import Clearance, DataClass, RedactionPolicy, Tags, Treatment


def seen_by(role: str, *scopes: str) -> Clearance:
    """The clearance of a person of that role, or of a key that is limited to scopes."""
    kind = ActorKind.API_KEY if scopes else ActorKind.USER
    return clearance(
        Context(
            Actor(kind, "a"),
            new_id(),
            roles=frozenset({role}),
            scopes=frozenset(scopes) if scopes else None,
            purpose="investigation",
        )
    )


READER, ANALYST, OWNER = seen_by("reader"), seen_by("analyst"), seen_by("owner")
SALT = b"tenant"


def test_the_words_are_those_of_the_graph() -> None:
    assert {c.value for c in DataClass} == {c.value for c in GraphDataClass}
    assert {p.value for p in RedactionPolicy} == {p.value for p in GraphRedactionPolicy}


@pytest.mark.parametrize(
    ("tags", "who", "treatment"),
    [
        (Tags("public"), READER, "clear"),
        (Tags("confidential"), READER, "clear"),
        (Tags("personal"), READER, "mask"),
        (Tags("personal"), ANALYST, "clear"),
        (Tags("personal", "hash"), READER, "hash"),
        (Tags("personal", "drop"), READER, "drop"),
        (Tags("personal", "generalise"), READER, "generalise"),
        (Tags("sensitive"), ANALYST, "withhold"),
        (Tags("sensitive", "mask"), ANALYST, "withhold"),
        (Tags("sensitive"), OWNER, "clear"),
        (Tags("invented"), ANALYST, "withhold"),
        (Tags("invented"), OWNER, "clear"),
        (Tags("public", purposes=("fraud-risk",)), OWNER, "withhold"),
        (Tags("public", purposes=("investigation", "fraud-risk")), READER, "clear"),
    ],
)
def test_treatment(tags: Tags, who: Clearance, treatment: str) -> None:
    assert visibility(tags, who).treatment == treatment


def test_a_machine_without_purpose_reads_what_is_not_about_people() -> None:
    silent = Clearance(ANALYST.data_classes, None, machine=True)
    assert visibility(Tags("internal", purposes=("fraud-risk",)), silent).treatment is Treatment.CLEAR
    assert visibility(Tags("personal", purposes=("fraud-risk",)), silent).reason == "purpose"
    assert visibility(Tags("personal"), silent).treatment is Treatment.CLEAR


def test_scopes_narrow_what_roles_clear() -> None:
    assert "personal" not in seen_by("owner", "reader").data_classes
    assert "sensitive" not in seen_by("admin", "admin").data_classes


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), values), st.sampled_from([t for t in Treatment if t is not Treatment.CLEAR]))
def test_no_long_text_survives_redaction(properties: dict[str, Any], treatment: Treatment) -> None:
    secret = "a very long secret text"
    shown = shown_properties({**properties, "secret": secret, "deep": {"list": [secret]}}, treatment, SALT)
    assert secret not in repr(shown.values())
    assert secret not in shown_text(secret, treatment, SALT)


def test_forms() -> None:
    row = {"born": "1980-05-06", "balance": 12_345, "name": "Ada", "none": None}
    assert shown_properties(row, Treatment.MASK, SALT) == {
        "born": MASKED,
        "balance": MASKED,
        "name": MASKED,
        "none": None,
    }
    assert shown_properties(row, Treatment.GENERALISE, SALT) == {
        "born": "1980",
        "balance": "about 1e4",
        "name": f"A{MASKED}",
        "none": None,
    }
    assert shown_properties(row, Treatment.DROP, SALT) == {}
    assert shown_properties(row, Treatment.CLEAR, SALT) == row


def test_hashes_compare_within_a_tenant_only() -> None:
    assert shown_text("Ada", Treatment.HASH, b"one") == shown_text("Ada", Treatment.HASH, b"one")
    assert shown_text("Ada", Treatment.HASH, b"one") != shown_text("Ada", Treatment.HASH, b"two")


def test_equal_clearances_have_equal_keys() -> None:
    assert READER.key != ANALYST.key
    assert ANALYST.key == Clearance(frozenset(sorted(ANALYST.data_classes)), "investigation", machine=False).key
