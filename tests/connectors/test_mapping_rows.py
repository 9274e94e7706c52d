"""Mappings at work: rows of tables and JSON Lines, typed values, conditions, errors by row."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.connectors.errors import UnreadableSource
from apps.connectors.mapping import document, values
from apps.connectors.mapping.compiler import Mapped
from apps.connectors.mapping.templates import columns_of, parse
from apps.connectors.plans import open_mapper, open_reader
from apps.connectors.types import Limits, Refusal
from tests.connectors.streams import opener, read_all


def run(mapping: dict[str, Any], data: bytes) -> tuple[Mapped, Mapped]:
    checked = document.load(orjson.dumps({"name": "test", "format": "csv", **mapping}))
    reader = open_reader(checked, opener(data), Limits())
    mapper = open_mapper(checked, reader)
    block = read_all(reader)
    return mapper.entities(block), mapper.edges(block)


def told(mapped: Mapped) -> list[tuple[int, str, str, str]]:
    return [(error.row, error.code, error.column, error.part) for error in mapped.errors]


def test_a_table_becomes_entities_and_edges() -> None:
    mapping = {
        "options": {"delimiter": "|", "header": "typed"},
        "defaults": {"source": "registry", "licence": "CC0", "dataClass": "internal"},
        "entities": [
            {
                "kind": "Person",
                "id": "p-{id}",
                "name": "{first} {last}",
                "dataClass": "personal",
                "subjectKeys": ["mail:{mail}"],
                "purposes": ["investigation"],
                "properties": {
                    "born": {"column": "born", "type": "date", "format": "%Y%m%d"},
                    "age": "{age}",
                    "tags": "{tags}",
                    "role": {"value": "employee"},
                    "label": "<{{{first}}}>",
                    "level": {"column": "level", "values": {"A": 1, "B": 2}, "default": 0},
                },
            },
        ],
        "edges": [
            {
                "kind": "worksAt",
                "from": {"kind": "Person", "id": "p-{id}"},
                "to": {"kind": "Company", "id": "{boss}"},
                "properties": {"share": {"column": "share", "type": "float"}},
                "when": [{"column": "boss", "present": True}],
            }
        ],
    }
    data = b"id:ID|first|last|mail|born|age:INT|tags:STRING[]|level|boss|share\n"
    data += b"1|Ann|Lee|a@x.example|19891203|36|x;y|A|c1|0.5\n2|Bo|Ek|b@x.example|20000229|25||||\n"
    entities, edges = run(mapping, data)
    assert not entities.errors and not edges.errors
    ann, bo = entities.inputs
    assert (ann.kind, ann.external_id, ann.name, ann.data_class, ann.source, ann.licence) == (
        "Person",
        "p-1",
        "Ann Lee",
        "personal",
        "registry",
        "CC0",
    )
    assert ann.subject_keys == ("mail:a@x.example",)
    assert ann.purposes == ("investigation",)
    assert ann.properties == {
        "born": "1989-12-03",
        "age": 36,
        "tags": ["x", "y"],
        "role": "employee",
        "label": "<{Ann}>",
        "level": 1,
    }
    assert bo.properties == {"born": "2000-02-29", "age": 25, "role": "employee", "label": "<{Bo}>", "level": 0}
    assert [
        (e.kind, e.source_external_id, e.target_kind, e.target_external_id, e.properties) for e in edges.inputs
    ] == [("worksAt", "p-1", "Company", "c1", {"share": 0.5})]
    assert entities.rows == [2, 3] and edges.rows == [2]


def test_each_bad_value_is_told_with_its_column_and_field() -> None:
    mapping = {
        "entities": [
            {
                "kind": "Thing",
                "id": "{id}",
                "properties": {
                    "n": {"column": "n", "type": "int"},
                    "f": {"column": "f", "type": "float"},
                    "b": {"column": "b", "type": "bool"},
                    "d": {"column": "d", "type": "date"},
                    "j": {"column": "j", "type": "json"},
                    "v": {"column": "v", "values": {"x": 1}},
                },
            }
        ]
    }
    rows = [
        "1,5,0.5,yes,2026-01-31,{},x",
        ",5,,,,,",
        "2,5.5,,,,,",
        "3,99999999999999999999,,,,,",
        "4,,nan,,,,",
        "5,,,maybe,,,",
        "6,,,,31.1.2026,,",
        "7,,,,,{,",
        "8,,,,,,y",
        "9,1_000,,,,,",
        "10,٣,,,,,",
        "11,,1_0.5,,,,",
    ]
    entities, _ = run(mapping, ("id,n,f,b,d,j,v\n" + "\n".join(rows)).encode())
    assert [given.external_id for given in entities.inputs] == ["1"]
    assert entities.inputs[0].properties == {"n": 5, "f": 0.5, "b": True, "d": "2026-01-31", "j": {}, "v": 1}
    assert told(entities) == [
        (3, "MISSING_ID", "", "entities[0].id"),
        (4, "NOT_AN_INTEGER", "n", "entities[0]"),
        (5, "NUMBER_OUT_OF_RANGE", "n", "entities[0]"),
        (6, "NUMBER_OUT_OF_RANGE", "f", "entities[0]"),
        (7, "NOT_A_BOOL", "b", "entities[0]"),
        (8, "NOT_A_DATE", "d", "entities[0]"),
        (9, "NOT_A_JSON", "j", "entities[0]"),
        (10, "UNKNOWN_VALUE", "v", "entities[0]"),
        (11, "NOT_AN_INTEGER", "n", "entities[0]"),
        (12, "NOT_AN_INTEGER", "n", "entities[0]"),
        (13, "NOT_A_NUMBER", "f", "entities[0]"),
    ]
    assert all(error.message and error.mend for error in entities.errors)


def test_json_lines_with_paths_and_passthrough() -> None:
    mapping = {
        "format": "jsonl",
        "entities": [
            {
                "kind": "Host",
                "id": "{ip}",
                "name": "{names.0}",
                "passthrough": {"except": ["secret"]},
                "properties": {"city": "{geo.city}"},
            },
            {
                "kind": "Raw",
                "id": "{ip}",
                "passthrough": True,
                "when": [{"column": "geo.city", "in": ["Rome", "Oslo"]}],
            },
            {
                "kind": "Some",
                "id": "{ip}",
                "passthrough": ["a.b"],
                "when": [{"column": "n", "equals": 5}, {"column": "x", "notEquals": 1}],
            },
        ],
    }
    data = b'{"ip": "::1", "names": ["lo"], "geo": {"city": "Rome"}, "secret": 1, "a.b": 2}\n'
    data += b'{"ip": 7, "n": "5", "x": 2}\n{"ip": {}, "n": 5}\n'
    entities, _ = run(mapping, data)
    found = [(given.kind, given.external_id, given.name, given.properties) for given in entities.inputs]
    assert found == [
        ("Host", "::1", "lo", {"ip": "::1", "names": ["lo"], "geo": {"city": "Rome"}, "a.b": 2, "city": "Rome"}),
        ("Host", "7", None, {"ip": 7, "n": "5", "x": 2}),
        ("Raw", "::1", None, {"ip": "::1", "names": ["lo"], "geo": {"city": "Rome"}, "secret": 1, "a.b": 2}),
        ("Some", "7", None, {}),
    ]
    assert told(entities) == [(3, "NOT_TEXT", "ip", "entities[0].id"), (3, "NOT_TEXT", "ip", "entities[2].id")]


def test_self_loops_are_refused_where_the_mapping_says_so() -> None:
    edge = {"kind": "partOf", "from": {"kind": "Place", "id": "{a}"}, "to": {"kind": "Place", "id": "{b}"}}
    data = b"a,b\n1,2\n3,3\n"
    assert len(run({"edges": [edge]}, data)[1].inputs) == 2
    for more in ({"selfLoops": "refuse"}, {"acyclic": True}):
        edges = run({"edges": [{**edge, **more}]}, data)[1]
        assert len(edges.inputs) == 1
        assert told(edges) == [(3, "SELF_LOOP", "", "edges[0].to.id")]


def test_a_column_that_the_header_lacks_is_told_before_any_row() -> None:
    with pytest.raises(UnreadableSource) as refused:
        run({"entities": [{"kind": "A", "id": "{id}", "properties": {"x": "{colour}"}}]}, b"id,color\n1,red\n")
    assert refused.value.reason == "MISSING_COLUMN"
    assert refused.value.field == "entities[0].properties.x"
    assert "'colour'" in refused.value.message and "id, color" in str(refused.value.mend)


def test_rows_that_make_entities_are_known_for_counting() -> None:
    checked = document.load(
        orjson.dumps(
            {
                "name": "t",
                "format": "csv",
                "entities": [{"kind": "A", "id": "{id}", "when": [{"column": "k", "equals": "a"}]}],
            }
        )
    )
    reader = open_reader(checked, opener(b"id,k\n1,a\n2,b\n,a\n"), Limits())
    assert open_mapper(checked, reader).edges(read_all(reader)).elsewhere == {2, 4}


@given(
    st.lists(
        st.none()
        | st.text(max_size=8)
        | st.integers()
        | st.floats()
        | st.booleans()
        | st.lists(st.integers(), max_size=2),
        max_size=20,
    )
)
def test_a_column_converts_as_its_values_do_one_by_one(column: list[Any]) -> None:
    for kind in ("string", "int", "float", "bool", "date", "datetime", "list", "json", ""):
        convert = values.converter(kind, "c")
        whole = convert(column)
        assert len(whole) == len(column)
        for value, got in zip(column, whole, strict=True):
            alone = convert([value])[0]
            assert (alone == got) or (alone != alone and got != got) or isinstance(alone, Refusal)
            assert type(alone) is type(got)


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=6)
        ),
        max_size=5,
    )
)
def test_templates_say_which_columns_they_use(pieces: list[tuple[bool, str]]) -> None:
    pieces = [(is_column, text) for is_column, text in pieces if not is_column or text.strip()]
    text = "".join("{" + text + "}" if is_column else text for is_column, text in pieces)
    assert columns_of(text) == [text.strip() for is_column, text in pieces if is_column]
    assert "".join(piece for is_column, piece in parse(text) if not is_column) == "".join(t for c, t in pieces if not c)
