"""What a reader sees of an entity follows policy; what they do not see is said, never leaked."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from apps.core.ids import new_id
from apps.graph.types import EntityRow
from apps.policy.types import Clearance
from apps.portal import shown

SALT = b"tenant"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROW = EntityRow(
    id=new_id(), kind="Person", external_id="p-1", name="Ada Quist", properties={"born": "1815", "tax id": "99-17"},
    data_class="personal", retention_tier="standard-365d", redaction_policy="mask", purposes=(), licence="", source="",
    region="eu-west-1", subject_keys=(), version=3, created_at=NOW, updated_at=NOW,
)  # fmt: skip


def cleared(*classes: str, purpose: str = "investigation") -> Clearance:
    return Clearance(frozenset(classes), purpose, machine=False)


def test_the_cleared_see_everything() -> None:
    seen = shown.entity(ROW, cleared("personal"), SALT)
    assert seen.clear and seen.mark is None and seen.name == "Ada Quist"
    assert [(one.name, one.text) for one in seen.properties] == [("born", "1815"), ("tax id", "99-17")]


def test_others_see_marks_and_no_value() -> None:
    seen = shown.entity(ROW, cleared("public"), SALT)
    assert not seen.clear and not seen.withheld
    assert seen.mark is not None and seen.mark.count == 4 and seen.mark.reason == "data class"
    told = " ".join([seen.name, seen.external_id, *(one.text for one in seen.properties)])
    assert "Ada" not in told and "1815" not in told and "99-17" not in told and "p-1" not in told


def test_another_purpose_sees_only_that_something_is_there() -> None:
    seen = shown.entity(replace(ROW, purposes=("fraud-risk",)), cleared("personal"), SALT)
    assert seen.withheld and seen.properties == () and seen.name == "Withheld" and seen.external_id == ""
    assert seen.mark is not None and seen.mark.reason == "purpose" and seen.mark.names == ()


def shape(value: Any) -> str:
    return shown.draw("x", value).shape


def test_each_value_gets_the_form_that_suits_it() -> None:
    assert shape("short") == "text"
    assert shape("long " * 60) == "prose"
    assert shape("https://example.org/a") == "link"
    assert shape("javascript:alert(1)") == "text"
    assert shape(True) == "flag"
    assert shape(7) == "text" and shape(None) == "text"
    assert shape(["a", 1]) == "list"
    assert shape([{"a": 1}]) == "data" and shape({"a": 1}) == "data"


def test_changes_name_fields_before_and_after() -> None:
    before = {"name": "A", "properties": {"x": 1, "y": [1]}, "purposes": ["audit"]}
    after = {"name": "B", "properties": {"y": [1], "z": "new"}, "purposes": ["audit"]}
    found = {one.field: (one.before, one.after) for one in shown.changes(before, after, hidden=False)}
    assert found == {"name": ("A", "B"), "properties.x": ("1", None), "properties.z": (None, "new")}


def test_hidden_changes_tell_no_value() -> None:
    found = shown.changes({"name": "Ada"}, {"name": "Eve", "dataClass": "public"}, hidden=True)
    assert [(one.field, one.before, one.after, one.withheld) for one in found] == [
        ("dataClass", None, "public", False),
        ("name", None, None, True),
    ]
