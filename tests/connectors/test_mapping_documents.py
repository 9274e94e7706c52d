"""Mapping documents: hostile input, and errors that name the field and the mend."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.connectors.errors import MappingInvalid
from apps.connectors.mapping import document

ROOT = Path(__file__).resolve().parents[2]
GOOD: dict[str, Any] = {
    "name": "people",
    "format": "csv",
    "entities": [
        {
            "kind": "Person",
            "id": "{id}",
            "name": "{first} {last}",
            "properties": {"age": {"column": "age", "type": "int"}},
        }
    ],
    "edges": [{"kind": "knows", "from": {"kind": "Person", "id": "{id}"}, "to": {"kind": "Person", "id": "{friend}"}}],
}


def refused(text: bytes | str | dict[str, Any]) -> list[tuple[str, str, str]]:
    with pytest.raises(MappingInvalid) as wrong:
        document.load(orjson.dumps(text) if isinstance(text, dict) else text)
    return [(problem.path, problem.message, problem.mend) for problem in wrong.value.problems]


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    """Return GOOD with one value put, or removed when the value is Ellipsis."""
    copy: Any = orjson.loads(orjson.dumps(GOOD))
    at = copy
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy  # type: ignore[no-any-return]


def test_yaml_and_json_are_one_document() -> None:
    yaml_text = """
name: people
format: csv
entities:
  - {kind: Person, id: "{id}", name: "{first} {last}", properties: {age: {column: age, type: int}}}
edges:
  - kind: knows
    from: {kind: Person, id: "{id}"}
    to: {kind: Person, id: "{friend}"}
"""
    assert document.load(yaml_text) == document.load(orjson.dumps(GOOD)) == GOOD
    assert document.digest(document.load(yaml_text)) == document.digest(GOOD)
    assert document.digest(changed(["name"], "others")) != document.digest(GOOD)
    assert document.load(yaml_text, name="people") == GOOD


@pytest.mark.parametrize(
    ("wrong", "path", "message", "mend"),
    [
        (changed(["entites"], []), "entites", "unknown field 'entites'", "Did you mean 'entities'?"),
        (changed(["on_error"], "keep"), "on_error", "unknown field", "Did you mean 'onError'?"),
        (
            changed(["entities", 0, "data_class"], "personal"),
            "entities[0].data_class",
            "unknown field",
            "Did you mean 'dataClass'?",
        ),
        (
            changed(["entities", 0, "dataClass"], "personnal"),
            "entities[0].dataClass",
            "not one of the known",
            "Did you mean 'personal'?",
        ),
        (changed(["entities", 0, "id"], ...), "entities[0].id", "'id' is missing", "Add it"),
        (changed(["entities", 0, "id"], "fixed"), "entities[0].id", "names no column", "Use a column"),
        (changed(["entities", 0, "id"], "{id"), "entities[0].id", "single '{'", "{{"),
        (changed(["entities", 0, "id"], 7), "entities[0].id", "not of the right type", "Use string"),
        (changed(["entities", 0, "kind"], "1st kind"), "entities[0].kind", "not a valid name", "must match"),
        (changed(["edges", 0, "from", "kind"], ...), "edges[0].from.kind", "'kind' is missing", "Add it"),
        (changed(["edges", 0, "to", "id"], "{}"), "edges[0].to.id", "empty braces", "{column}"),
        (changed(["format"], "xml"), "format", "not one of the known", "csv, jsonl, stix"),
        (changed(["format"], "stix"), "entities", "a STIX mapping has no entities", "Remove it"),
        (changed(["stix"], {}), "stix", "only for format stix", "Remove it"),
        (changed(["options"], {"delimiter": "||"}), "options.delimiter", "too long", "Mend"),
        (changed(["options"], {"delimiter": '"'}), "options.quote", "same character", "Change"),
        (
            changed(["options"], {"encoding": "utf8"}),
            "options.encoding",
            "not one of the known",
            "Did you mean 'utf-8'?",
        ),
        (changed(["options"], {"header": ["a", "a"]}), "options.header", "named twice", "own name"),
        (
            changed(["entities", 0, "properties", "age", "type"], "integer"),
            "entities[0].properties.age.type",
            "known values",
            "int",
        ),
        (
            changed(["entities", 0, "properties", "age", "format"], "%Y"),
            "entities[0].properties.age.format",
            "only dates",
            "date",
        ),
        (
            changed(["entities", 0, "properties", "at"], {"column": "at", "type": "date", "format": "%Q"}),
            "entities[0].properties.at.format",
            "not a date format",
            "strptime",
        ),
        (changed(["entities", 0, "when"], [{"column": "x"}]), "entities[0].when[0]", "", "Mend"),
    ],
)
def test_each_problem_names_its_field_and_mend(wrong: dict[str, Any], path: str, message: str, mend: str) -> None:
    found = refused(wrong)
    assert any(p == path and message in m and mend in hint for p, m, hint in found), found


def test_every_problem_is_listed() -> None:
    found = refused({"name": "Bad Name", "format": "csv", "entities": [{"kind": "A", "idd": "{x}"}], "colour": 1})
    assert {path for path, _, _ in found} == {"name", "entities[0].id", "entities[0].idd", "colour"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"\xff", "not UTF-8"),
        (b"- a\n- b", "an object with fields"),
        (b"name: [", "in line"),
        (b"name: a\nname: b", "stands twice"),
        (b"a: &a [x]\n" + b"".join(b"b%d: *a\n" % i for i in range(200)), "too many aliases"),
        (b"a: " + b"[" * 50 + b"]" * 50, "nested too deep"),
        (b"a:\n" + b"- 1\n" * 30_000, "too many values"),
        (b"#" * 300_000, "at most"),
        (b"a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        (b"a: 1e999999\nb: .inf", "unknown field"),
        (b"? {a: 1}\n: b", ""),
        (b"a: 0b" + b"1" * 100_000, ""),
    ],
)
def test_hostile_documents_are_refused(text: bytes, message: str) -> None:
    assert any(message in found for _, found, _ in refused(text))


def test_the_billion_laughs_are_not_built() -> None:
    layers = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert refused("\n".join(layers))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_breaks_the_loader(text: str | bytes) -> None:
    try:
        document.load(text)
    except MappingInvalid as wrong:
        assert wrong.problems


def test_the_mappings_that_come_along_are_sound() -> None:
    paths = [ROOT / "apps/connectors/builtin/stix.yaml", *(ROOT / "fixtures/demo").glob("*/mappings/*.yaml")]
    assert len(paths) == 10
    for path in paths:
        assert document.load(path.read_bytes(), name=path.stem)["name"] == path.stem
