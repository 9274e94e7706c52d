"""The schema gate: what breaks clients, and the windows that allow it."""

import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from graphql import build_schema

from apps.gateway.compatibility import Severity, announcement, compare, refused, unannounced
from apps.gateway.sdl import released_file

TODAY = date(2026, 11, 21)
BASE = """
type Query { a(x: Int, y: Int! = 1): A! b(i: I): E old: Int %s }
type A { id: ID! name: String tags: [String!] }
input I { p: Int q: String! = "q" }
enum E { ONE TWO }
"""
OLD = BASE % ""
FINE = '@deprecated(reason: "Use a. Since: 2026-01-01. Sunset: 2026-09-01")'


def judge(before: str, after: str, today: date = TODAY) -> list[tuple[Severity, bool]]:
    return [(c.severity, c.allowed) for c in compare(build_schema(before), build_schema(after), today)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("old: Int", "young: Int"),
        ("b(i: I): E", "b: E"),
        ("id: ID!", "id: ID"),
        ("name: String", "name: Int"),
        ("x: Int", "x: Int!"),
        ("p: Int", "p: Int!"),
        ("p: Int q", "q"),
        ("ONE TWO", "ONE"),
        ("b(i: I): E", "b(i: I, must: Int!): E"),
        ("tags: [String!]", "tags: [String]"),
    ],
)
def test_breaking(old: str, new: str) -> None:
    assert judge(OLD, OLD.replace(old, new)) == [(Severity.BREAKING, False)]


@pytest.mark.parametrize(
    ("old", "new"),
    [("ONE TWO", "ONE TWO THREE"), ("b(i: I): E", "b(i: I, may: Int): E"), ("y: Int! = 1", "y: Int! = 2")],
)
def test_dangerous(old: str, new: str) -> None:
    assert judge(OLD, OLD.replace(old, new)) == [(Severity.DANGEROUS, True)]


@pytest.mark.parametrize(
    ("old", "new"),
    [("old: Int", "old: Int fresh: Int"), ("name: String", "name: String!"), ("type A", '"What." type A')],
)
def test_safe(old: str, new: str) -> None:
    assert judge(OLD, OLD.replace(old, new)) == []


@pytest.mark.parametrize(
    ("directive", "today", "allowed"),
    [
        (FINE, TODAY, True),
        (FINE, date(2026, 8, 31), False),
        (FINE, date(2026, 9, 1), True),
        ('@deprecated(reason: "Since: 2026-08-01 Sunset: 2026-09-01")', TODAY, False),
        ('@deprecated(reason: "Use a.")', TODAY, False),
        ('@deprecated(reason: "Since: 2026-01-01 Sunset: 2026-13-41")', TODAY, False),
        ("", TODAY, False),
    ],
)
def test_a_removal_needs_a_window_that_has_passed(directive: str, today: date, allowed: bool) -> None:
    before = OLD.replace("old: Int", f"old: Int {directive}")
    assert judge(before, OLD.replace("old: Int", ""), today) == [(Severity.BREAKING, allowed)]


def test_windows_count_for_arguments_input_fields_and_values() -> None:
    before = OLD.replace("x: Int", f"x: Int {FINE}").replace("p: Int", f"p: Int {FINE}").replace("TWO", f"TWO {FINE}")
    after = OLD.replace("x: Int, ", "").replace("p: Int ", "").replace("TWO", "")
    assert judge(before, after) == [(Severity.BREAKING, True)] * 3
    # A window allows the removal, never another change of the same thing.
    assert judge(before, OLD.replace("x: Int", "x: Int!")) == [(Severity.BREAKING, False)]


def test_a_deprecation_says_since_when_and_until_when() -> None:
    assert unannounced(build_schema(OLD)) == []
    assert unannounced(build_schema(OLD.replace("old: Int", f"old: Int {FINE}"))) == []
    for reason in ("Use a.", "Sunset: 2027-01-01", "Since: 2026-12-01 Sunset: 2027-01-01"):
        found = unannounced(build_schema(OLD.replace("old: Int", f'old: Int @deprecated(reason: "{reason}")')))
        assert len(found) == 1
        assert found[0].startswith("Query.old:")
    assert announcement(None) is None


def run(*arguments: str) -> tuple[int, Any]:
    out = StringIO()
    try:
        call_command("schema", "--gate", "--json", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, json.loads(out.getvalue()) if out.getvalue() else str(error)
    return 0, json.loads(out.getvalue())


def test_the_present_schema_keeps_what_was_released() -> None:
    assert released_file().exists()
    assert run() == (0, {"passes": True, "changes": run()[1]["changes"], "deprecations": [], "documents": []})


def test_the_command_tells_what_is_wrong(tmp_path: Path) -> None:
    old, new, none = tmp_path / "old.graphql", tmp_path / "new.graphql", tmp_path / "none"
    old.write_text(OLD)
    new.write_text(OLD.replace("old: Int", ""))
    code, found = run(str(old), str(new))
    assert code == 1
    assert found["changes"][0]["kind"] == "FIELD_REMOVED"
    assert found["changes"][0]["why"] == "Query.old was not deprecated"
    assert run(str(old), str(old))[0] == 0
    assert run(str(old))[0] == 2
    assert run(str(old), str(none))[0] == 2
    assert run("--today", "soon")[0] == 2
    none.write_text("type {")
    assert run(str(old), str(none))[0] == 2
    assert len(refused(compare(build_schema(OLD), build_schema(new.read_text()), TODAY))) == 1
