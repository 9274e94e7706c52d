"""Readers: what is a row, what is an error, and that neither depends on how the bytes arrive."""

import gzip
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.connectors.errors import UnreadableSource
from apps.connectors.readers.bundle import BundleReader
from apps.connectors.readers.delimited import Delimited, DelimitedReader
from apps.connectors.readers.jsonl import JsonlReader
from apps.connectors.types import Block, Limits, Position, Reader
from tests.connectors.streams import opener, read_all

LIMITS = Limits()
PLAIN = Delimited()
TIGHT = Limits(max_row_bytes=200, max_columns=5, max_depth=4, block_rows=3)


def jsonl(data: bytes, limits: Limits = LIMITS, size: int = 1 << 16) -> Block:
    return read_all(JsonlReader(opener(data, size), limits))


def table(data: bytes, options: Delimited = PLAIN, limits: Limits = LIMITS, size: int = 1 << 16) -> Block:
    return read_all(DelimitedReader(opener(data, size), options, limits))


def bundle(data: bytes, limits: Limits = LIMITS, size: int = 1 << 16) -> Block:
    return read_all(BundleReader(opener(data, size), limits))


def codes(block: Block) -> list[tuple[int, str]]:
    return [(error.row, error.code) for error in block.errors]


def stix(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "malware", "id": f"malware--00000000-0000-4000-8000-{number:012d}", "name": f"m{number}", **more}


# -- JSON Lines


def test_each_bad_line_is_told_and_the_good_ones_stay() -> None:
    data = b'{"id": 1}\n{"id": \n[1]\n\n{"id": "\xff"}\n"x"\n{"id": NaN}\n{"id": "\\u0000"}\n{"id": 2}'
    block = jsonl(data)
    assert [row["id"] for row in block.rows] == [1, 2]
    assert list(block.numbers) == [1, 9]
    assert block.read == 8  # the blank line is none
    assert codes(block) == [
        (2, "MALFORMED_JSON"),
        (3, "NOT_AN_OBJECT"),
        (5, "WRONG_ENCODING"),
        (6, "NOT_AN_OBJECT"),
        (7, "MALFORMED_JSON"),
        (8, "NUL_CHARACTER"),
    ]
    assert all(error.mend and error.offset is not None for error in block.errors)


def test_the_offset_of_an_error_points_into_the_file() -> None:
    data = b'{"id": 1}\n{"id": "\xff"}\n'
    error = jsonl(data).errors[0]
    assert error.offset is not None
    assert data[error.offset : error.offset + 1] == b"\xff"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "TOO_DEEP"),
        (b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}", "TOO_DEEP"),
        (b'{"a": 123456789012345678901234567890}', "NUMBER_OUT_OF_RANGE"),
        (b'{"a": -99999999999999999999}', "NUMBER_OUT_OF_RANGE"),
        (b'{"a": ' + b"9" * 5000 + b"}", "NUMBER_OUT_OF_RANGE"),
        (b'{"a": 1e400}', "NUMBER_OUT_OF_RANGE"),
        (b'{"a": "\\ud800"}', "MALFORMED_JSON"),
        (b'{"a": "\x00"}', "NUL_CHARACTER"),
        (b'{"a\\u0000": 1}', "NUL_CHARACTER"),
        (b'{"a": 1}{"a": 2}', "MALFORMED_JSON"),
        (orjson.dumps({str(i): i for i in range(1001)}), "TOO_MANY_COLUMNS"),
    ],
)
def test_hostile_lines_are_refused_one_by_one(line: bytes, code: str) -> None:
    block = jsonl(b'{"id": 1}\n' + line + b'\n{"id": 2}\n')
    assert [row["id"] for row in block.rows] == [1, 2]
    assert codes(block) == [(2, code)]


def test_numbers_that_fit_and_long_digits_in_texts_are_kept() -> None:
    rows = [{"a": 18446744073709551615}, {"a": "123456789012345678901234567890"}, {"a": 0.12345678901234567890123}]
    block = jsonl(
        b'{"a": 18446744073709551615}\n{"a": "123456789012345678901234567890"}\n{"a": 0.12345678901234567890123}'
    )
    assert block.rows == rows
    assert not block.errors


def test_a_line_beyond_the_bound_is_skipped_to_its_end() -> None:
    long = b'{"id": "' + b"x" * 5000 + b'"}'
    for size in (1, 7, 64, 1 << 16):
        block = jsonl(b'{"id": 1}\n' + long + b'\n{"id": 2}\n' + long, TIGHT, size)
        assert [row["id"] for row in block.rows] == [1, 2]
        assert codes(block) == [(2, "ROW_TOO_LARGE"), (4, "ROW_TOO_LARGE")]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=5), st.text() | st.integers(-(2**63), 2**63) | st.none(), max_size=4),
        max_size=20,
    ),
    st.integers(1, 80),
    st.booleans(),
)
def test_lines_come_back_whatever_the_chunks(rows: list[dict[str, Any]], size: int, packed: bool) -> None:
    rows = [
        {k.replace("\0", ""): v.replace("\0", "") if isinstance(v, str) else v for k, v in row.items()} for row in rows
    ]
    data = b"".join(orjson.dumps(row) + b"\n" for row in [*rows, {"end": True}])
    block = jsonl(gzip.compress(data) if packed else data, size=size)
    assert block.rows == [*rows, {"end": True}]
    assert not block.errors
    assert block.end == Position(len(data), len(rows) + 1)


# -- resuming


def _parts(make: Any, data: bytes) -> None:
    """Reading on from any block's end gives what reading through gives."""
    reader: Reader = make(data, Position())
    blocks: list[Block] = []
    while (block := reader.read(3)) is not None:
        blocks.append(block)
    assert len(blocks) > 2
    for place, block in enumerate(blocks[:-1]):
        rest = make(data, block.end)
        for later in blocks[place + 1 :]:
            again = rest.read(3)
            assert again is not None
            assert (again.rows, list(again.numbers), again.end) == (later.rows, list(later.numbers), later.end)
            assert again.errors == later.errors
        assert rest.read(3) is None


def test_reading_goes_on_from_any_block() -> None:
    lines = b"\xef\xbb\xbf" + b"".join(b'{"id": %d}\n' % i if i % 5 else b"{broken\n" for i in range(20))
    _parts(lambda data, start: JsonlReader(opener(data, 11), LIMITS, start), lines)
    _parts(lambda data, start: JsonlReader(opener(gzip.compress(data), 11), LIMITS, start), lines)
    text = b"\xef\xbb\xbfid,name\r\n" + b"".join(
        b'%d,"two\r\nlines"\r\n' % i if i % 4 else b"%d\r\n" % i for i in range(20)
    )
    _parts(lambda data, start: DelimitedReader(opener(data, 11), Delimited(), LIMITS, start), text)
    items = [orjson.dumps(stix(i, note="} , {" if i % 3 else "")) if i % 5 else b'{"type": oops}' for i in range(20)]
    whole = b'{"type": "bundle", "objects": [' + b" ,\n".join(items) + b"]}"
    _parts(lambda data, start: BundleReader(opener(data, 11), LIMITS, start), whole)


# -- CSV


def test_bad_records_are_told_and_the_good_ones_stay() -> None:
    data = b'id,name\n1,one\n2\n3,three,more\n4,"fo"ur\n5,\xff\n6,s\0x\n\n7,"multi\nline ""quoted"""\n8,last'
    block = table(data)
    assert block.rows == [["1", "one"], ["7", 'multi\nline "quoted"'], ["8", "last"]]
    assert list(block.numbers) == [2, 9, 11]
    assert codes(block) == [
        (3, "WRONG_COLUMNS"),
        (4, "WRONG_COLUMNS"),
        (5, "MALFORMED_CSV"),
        (6, "WRONG_ENCODING"),
        (7, "NUL_CHARACTER"),
    ]
    assert "'name'" in block.errors[0].message
    assert block.read == 8


def test_an_unclosed_quote_costs_one_row_not_the_file() -> None:
    rows = b"".join(b"%d,name\n" % i for i in range(2, 200))
    block = table(b'id,name\n1,"never closed\n' + rows, limits=TIGHT)
    assert codes(block) == [(2, "UNCLOSED_QUOTE")]
    assert len(block.rows) == 198
    block = table(b'id,name\n1,one\n2,"never closed')
    assert codes(block) == [(3, "UNCLOSED_QUOTE")]


@pytest.mark.parametrize("size", [1, 3, 1 << 16])
def test_a_record_may_span_more_lines_than_a_block(size: int) -> None:
    data = b'id,name\n1,"' + b"x\n" * 50 + b'"\n2,two\n'
    block = table(data, limits=Limits(max_row_bytes=1000), size=size)
    assert block.rows == [["1", "x\n" * 50], ["2", "two"]]
    assert list(block.numbers) == [2, 53]


def test_typed_headers_other_delimiters_and_encodings() -> None:
    reader = DelimitedReader(
        opener(b"id:ID(Person)|:START_ID(Person)|n:LONG|tags:STRING[]\n1|2|3|a;b\n"),
        Delimited(delimiter="|", header="typed"),
        LIMITS,
    )
    assert reader.columns == ("id", "START_ID", "n", "tags")
    assert reader.types == ("string", "string", "int", "list")
    latin = table("id;name\n1;Zoë\n".encode("latin-1"), Delimited(delimiter=";", encoding="latin-1"))
    assert latin.rows == [["1", "Zoë"]]
    wide = table("id,name\n1,Zoë\n".encode("utf-16"), Delimited(encoding="utf-16"))
    assert wide.rows == [["1", "Zoë"]]
    assert table(b"1,one\n2,two\n", Delimited(header=("id", "name"))).rows == [["1", "one"], ["2", "two"]]
    assert table(b'id,name\n1,it"s\n', Delimited(quote=None)).rows == [["1", 'it"s']]


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (b"", Delimited(), "NO_HEADER"),
        (b"id,id\n1,2\n", Delimited(), "DUPLICATE_COLUMN"),
        (b"id:NOPE\n1\n", Delimited(header="typed"), "UNKNOWN_TYPE"),
        ("id,name\n".encode("utf-16"), Delimited(), "WRONG_ENCODING"),
        (b"\xff\n", Delimited(), "NO_HEADER"),
        (b",".join(b"c%d" % i for i in range(1001)) + b"\n", Delimited(), "TOO_MANY_COLUMNS"),
    ],
)
def test_a_table_without_a_sound_header_is_refused(data: bytes, options: Delimited, reason: str) -> None:
    with pytest.raises(UnreadableSource) as refused:
        table(data, options)
    assert refused.value.reason == reason
    assert refused.value.mend


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=20), st.integers(1, 80))
def test_records_come_back_whatever_the_chunks(rows: list[tuple[str, str]], size: int) -> None:
    def clean(text: str) -> str:
        return text.replace("\0", "").replace("\r", "").encode("utf-8", "ignore").decode()

    rows = [(clean(a), clean(b)) for a, b in rows]
    quoted = ["{},{}".format(*('"' + cell.replace('"', '""') + '"' for cell in row)) for row in rows]
    block = table(("a,b\n" + "\n".join(quoted) + "\n").encode(), size=size)
    assert block.rows == [list(row) for row in rows]
    assert not block.errors


# -- STIX


def test_broken_objects_cost_themselves_only() -> None:
    items = [
        orjson.dumps(stix(1)),
        b'{"type": "malware", "id": }',
        orjson.dumps(stix(2)),
        b'"junk"',
        b"@@@@",
        orjson.dumps(stix(3)),
        b'{"type": "malware", "name": "no closing quote}',
        orjson.dumps(stix(4)),
        b'{"type": "malware", "deep": [1]',
        orjson.dumps(stix(5)),
        orjson.dumps(stix(6)),
    ]
    for size in (1, 13, 1 << 16):
        block = bundle(b'{"type":"bundle","objects":[' + b",".join(items) + b"]}", size=size)
        assert [row["name"] for row in block.rows] == ["m1", "m2", "m3", "m4", "m5", "m6"]
        assert [error.code for error in block.errors] == [
            "MALFORMED_JSON",
            "NOT_AN_OBJECT",
            "NOT_AN_OBJECT",
            "MALFORMED_JSON",
            "MALFORMED_JSON",
        ]


def test_a_cut_bundle_keeps_what_came() -> None:
    whole = b'{"type":"bundle","objects":[' + orjson.dumps(stix(1)) + b"," + orjson.dumps(stix(2))
    block = bundle(whole[:-10])
    assert [row["name"] for row in block.rows] == ["m1"]
    assert codes(block) == [(2, "TRUNCATED")]
    assert [error.code for error in bundle(whole + b"]").errors] == ["TRUNCATED"]
    assert [error.code for error in bundle(whole + b"]} {}").errors] == ["TRAILING_DATA"]
    assert not bundle(whole + b'], "id": "bundle--x", "more": {"a": [1, "]}"]}}').errors


def test_an_object_beyond_the_bound_is_passed_over() -> None:
    items = [stix(1), stix(2, description="x" * 5000, nested=[{"a": "}"}, {"b": "{"}]), stix(3)]
    for size in (1, 50, 1 << 16):
        block = bundle(orjson.dumps({"type": "bundle", "objects": items}), TIGHT, size)
        assert [row["name"] for row in block.rows] == ["m1", "m3"]
        assert codes(block) == [(2, "ROW_TOO_LARGE")]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text('{}[]",\\: a\n', max_size=30), min_size=1, max_size=6), st.integers(1, 90))
def test_an_object_beyond_the_bound_ends_where_it_ends(texts: list[str], size: int) -> None:
    monster = stix(2, description="x" * 300, nested=[{"a": [{text: [text]} for text in texts]}])
    block = bundle(orjson.dumps({"type": "bundle", "objects": [stix(1), monster, stix(3)]}), TIGHT, size)
    assert [row["name"] for row in block.rows] == ["m1", "m3"]
    assert codes(block) == [(2, "ROW_TOO_LARGE")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "NOT_A_BUNDLE"),
        (b"[]", "NOT_A_BUNDLE"),
        (b"hello", "NOT_A_BUNDLE"),
        (b'{"type": "indicator", "id": "x"}', "NOT_A_BUNDLE"),
        (b'{"type": "bundle", "objects": 5', "NOT_A_BUNDLE"),
        (b'{"type": "bundle", "id": "' + b"x" * 200_000, "NOT_A_BUNDLE"),
        (b'{"type": "bundle", "spec_version": "1.2", "objects": []}', "UNSUPPORTED_VERSION"),
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableSource) as refused:
        bundle(data)
    assert refused.value.reason == reason


def test_a_bundle_without_objects_is_empty_not_wrong() -> None:
    assert BundleReader(opener(b'{"type": "bundle", "id": "bundle--1"}'), LIMITS).read(10) is None
    assert BundleReader(opener(b'{"type": "bundle", "objects": []}'), LIMITS).read(10) is None
    assert BundleReader(opener(b'{"more": false, "objects": []}'), LIMITS).read(10) is None  # a TAXII envelope


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text('{}[]",\\: a\n', max_size=12), max_size=12), st.integers(1, 60), st.booleans())
def test_objects_come_back_whatever_their_texts(texts: list[str], size: int, indented: bool) -> None:
    items = [stix(i, description=text, refs=[{"t": text}, {"u": text}]) for i, text in enumerate(texts)]
    data = json.dumps({"type": "bundle", "objects": items}, indent=2 if indented else None).encode()
    block = read_all(BundleReader(opener(data, size), LIMITS)) if items else Block([], [], Position(), 0)
    assert block.rows == items
    assert not block.errors
    assert list(block.numbers) == list(range(1, len(items) + 1))


# -- packing


def test_gzip_members_padding_and_damage() -> None:
    packed = gzip.compress(b'{"id": 1}\n') + gzip.compress(b'{"id": 2}\n') + b"\0" * 100
    assert [row["id"] for row in jsonl(packed, size=3).rows] == [1, 2]
    damaged = bytearray(gzip.compress(orjson.dumps(list(range(1000)))))
    damaged[len(damaged) // 2] ^= 0xFF
    for data, reason in ((packed[:20], "TRUNCATED_GZIP"), (bytes(damaged), "DAMAGED_GZIP")):
        with pytest.raises(UnreadableSource) as refused:
            jsonl(data)
        assert refused.value.reason == reason


def test_bombs_are_refused() -> None:
    bomb = gzip.compress(b"\n" * 5_000_000)
    with pytest.raises(UnreadableSource) as refused:
        read_all(JsonlReader(opener(bomb), Limits(ratio_grace_bytes=100_000)))
    assert refused.value.reason == "DECOMPRESSION_BOMB"
    with pytest.raises(UnreadableSource) as refused:
        read_all(JsonlReader(opener(b"{}\n" * 1000), Limits(max_bytes=1000)))
    assert refused.value.reason == "SOURCE_TOO_LARGE"
