"""Hostile sources in a process of their own: what they cost in memory."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURE = """
import resource, sys, zlib
from collections.abc import Iterator
from apps.connectors.errors import UnreadableSource
from apps.connectors.mapping import document
from apps.connectors.plans import open_mapper, open_reader
from apps.connectors.types import Limits

def stream(head, piece, count, tail):
    def parts():
        yield head
        for _ in range(count):
            yield piece
        yield tail
    return parts

MIB = 1 << 20
A = b"a" * MIB
LONG_JSON = (b'{"id": "1"}\\n{"id": "', A, 1024, b'"}\\n{"id": "2"}\\n')
OPEN_BRACKETS = (b'{"id": "1"}\\n{"id": ', b"[" * MIB, 256, b'\\n{"id": "2"}\\n')
LONG_CSV = (b'id,name\\n1,one\\n2,"', A, 256, b'"\\n3,three\\n')
QUOTES = (b"id,name\\n1,one\\n2,", b'"' * MIB, 64, b"x\\n3,three\\n")
SAME = b',{"type":"tool","id":"tool--00000000-0000-4000-8000-00000000000%d"}'
HEAD = b'{"type":"bundle","objects":['
LONG_STIX = (HEAD + SAME[1:] % 1 + b',{"type":"tool","id":"', A, 256, b'"}' + SAME % 2 + b"]}")
NESTED_STIX = (HEAD + SAME[1:] % 1 + b',{"x":', b'[{"a":' * (MIB // 6), 64, b"")
SPACES = (HEAD + SAME[1:] % 1, b" " * MIB, 256, SAME % 2 + b"]}")
JUNK = (HEAD + SAME[1:] % 1 + b",", b"@" * MIB, 64, SAME % 2 + b"]}")
CASES = {
    "a line of 1 GiB": ("jsonl", LONG_JSON, 2, ["ROW_TOO_LARGE"]),
    "a line of brackets": ("jsonl", OPEN_BRACKETS, 2, ["ROW_TOO_LARGE"]),
    "a long record": ("csv", LONG_CSV, 2, ["ROW_TOO_LARGE"]),
    "a record of quotes": ("csv", QUOTES, 2, ["ROW_TOO_LARGE"]),
    "a long object": ("stix", LONG_STIX, 2, ["ROW_TOO_LARGE"]),
    "an object of brackets": ("stix", NESTED_STIX, 1, ["ROW_TOO_LARGE", "TRUNCATED"]),
    "white space": ("stix", SPACES, 2, []),
    "junk": ("stix", JUNK, 2, ["NOT_AN_OBJECT"]),
}

def run(form, parts, packed):
    pieces = stream(*parts)
    if packed:
        def opener():
            packer = zlib.compressobj(9, zlib.DEFLATED, 31)
            for part in pieces():
                yield packer.compress(part)
            yield packer.flush()
    else:
        opener = pieces
    own = {"stix": {}} if form == "stix" else {"entities": [{"kind": "T", "id": "{id}"}]}
    mapping = {"name": "t", "format": form, **own}
    document.check(mapping)
    reader = open_reader(mapping, opener, Limits())
    mapper = open_mapper(mapping, reader)
    kept, codes = 0, []
    while (block := reader.read(2000)) is not None:
        kept += len(mapper.entities(block).inputs)
        codes += [error.code for error in block.errors]
    return kept, codes

form, parts, kept, codes = CASES[sys.argv[1]]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.argv[2] == "packed":
    try:
        run(form, parts, True)
    except UnreadableSource as refused:
        assert refused.reason == "DECOMPRESSION_BOMB", refused.reason
    else:
        raise AssertionError("the bomb was taken")
else:
    found = run(form, parts, False)
    assert found == (kept, codes), found
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
CASES = (
    "a line of 1 GiB",
    "a line of brackets",
    "a long record",
    "a record of quotes",
    "a long object",
    "an object of brackets",
    "white space",
    "junk",
)
MOST_KIB = 40 * 1024
"""A few chunks of 1 MiB, one row at its bound and what Python makes of it."""


def cost_kib(case: str, how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, case, how], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_good_rows_around_a_monster_come_in_and_memory_stays_small(case: str) -> None:
    assert cost_kib(case, "plain") < MOST_KIB


@pytest.mark.slow
def test_a_packed_monster_is_refused_as_a_bomb() -> None:
    assert cost_kib("a line of 1 GiB", "packed") < MOST_KIB
