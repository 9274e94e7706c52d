"""The offline verifier: passes what is whole, and locates each way of altering, dropping or forging a ledger."""

import dataclasses
import gzip
import io
import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.ledger import canonical, chain, merkle, verifier
from apps.ledger.exports import ExportedRecord, Start
from tests.ledger.samples import AT, OTHER_TENANT, SALT, TENANT, Ledger, Signer, body_of

LEDGER = Ledger(23, signed_at=(4, 10, 20, 23))
GIVEN = verifier.Key.from_pem(LEDGER.signer.pem, "key")


def check(lines: Iterable[bytes], keys: Iterable[verifier.Key] = (GIVEN,), **more: Any) -> verifier.Report:
    return verifier.check_stream(io.BytesIO(b"".join(lines)), verifier.KeyRing(keys), **more)


def errors(report: verifier.Report) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.number) for finding in report.findings if finding.severity == "error"]


def edit(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    row = json.loads(line)
    change(row)
    return json.dumps(row).encode() + b"\n"


def place_of(lines: list[bytes], number: int, **more: int) -> int:
    """Index of the line of a record (or of its item, with item=position)."""
    wanted = {"n": number, **more}
    return next(
        index
        for index, line in enumerate(lines)
        if all(json.loads(line).get(k) == v for k, v in wanted.items()) and b'"open"' not in line
    )


def test_a_whole_export_passes() -> None:
    report = check(LEDGER.lines())
    assert report.ok, report.findings
    assert (report.records, report.items, report.openings, report.checkpoints) == (23, 28, 7, 4)
    assert (report.size, report.covered, report.trust) == (23, 23, "given")
    assert report.root == merkle.root(LEDGER.leaves).hex()
    assert report.findings == []


def test_without_a_given_key_it_says_whose_word_it_takes() -> None:
    report = check(LEDGER.lines(), keys=())
    assert (report.ok, report.trust) == (True, "embedded")
    assert [finding.code for finding in report.findings] == ["keys.embedded"]


def test_an_empty_ledger_passes() -> None:
    assert check(Ledger(0).lines()).ok


def test_records_after_the_last_checkpoint_are_told_apart() -> None:
    report = check(Ledger(8, signed_at=(5,), signer=LEDGER.signer).lines())
    assert (report.ok, report.covered) == (True, 5)
    assert [finding.message for finding in report.findings] == ["records 6 to 8 are under no signed checkpoint"]


def test_a_key_that_vouches_for_nothing_is_an_error() -> None:
    assert errors(check(Ledger(3).lines())) == [("checkpoint.none", None)]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, 23), place=st.integers(0, 10_000), flip=st.integers(1, 127))
def test_any_changed_byte_of_a_body_is_located(number: int, place: int, flip: int) -> None:
    record = LEDGER.records[number - 1]
    body = bytearray(record.body)
    body[place % len(body)] ^= flip
    records = [dataclasses.replace(r, body=bytes(body)) if r is record else r for r in LEDGER.records]
    check_ = verifier.LedgerCheck(str(TENANT), verifier.KeyRing([GIVEN]))
    check_.with_items = False
    for note in LEDGER.checkpoints:
        check_.checkpoint(verifier.Checkpoint.read(note.note.encode(), note.signature, "note"))
    for changed in records:
        check_.record(changed.number, changed.body, changed.prev, changed.hash)
    found = errors(check_.finish())
    assert ("record.hash", number) in found
    above = min(size for size in (4, 10, 20, 23) if size >= number)
    assert ("checkpoint.root", above) in found
    assert {at for code, at in found if code != "checkpoint.root"} == {number}


def test_the_message_names_the_record() -> None:
    lines = LEDGER.lines()
    at = place_of(lines, 17)
    lines[at] = lines[at].replace(b"donn", b"donm")
    report = check(lines)
    assert [f.message for f in report.findings if f.severity == "error"] == [
        "record 17: body does not match hash",
        "checkpoint 20: records 11 to 20 are not as signed (root differs)",
    ]
    assert report.findings[0].line == at + 1


@pytest.mark.parametrize("field", ["hash", "prev"])
def test_a_changed_hash_is_located(field: str) -> None:
    lines = LEDGER.lines()
    at = place_of(lines, 7)
    lines[at] = edit(lines[at], lambda row: row.update({field: "0" * 64}))
    found = errors(check(lines))
    assert {number for _, number in found} == {7}
    assert ("record.hash", 7) in found


def test_a_deleted_record_is_located() -> None:
    lines = LEDGER.lines()
    del lines[place_of(lines, 12)]
    report = check([line for line in lines if json.loads(line).get("n") != 12])
    assert errors(report) == [("record.gap", 12)]
    assert report.findings[0].message == "record 12 is missing"


def test_swapped_records_are_located() -> None:
    lines = LEDGER.lines()
    a, b = place_of(lines, 7), place_of(lines, 8)
    lines[a], lines[b] = lines[b], lines[a]
    assert errors(check(lines))[:2] == [("record.gap", 7), ("record.order", 7)]


def test_a_doubled_record_is_located() -> None:
    lines = LEDGER.lines()
    at = place_of(lines, 8)
    report = check([*lines[: at + 1], lines[at], *lines[at + 1 :]])
    assert errors(report)[0] == ("record.twice", 8)
    assert report.findings[0].line == at + 2


def cut(size: int, notes: list[Any]) -> list[bytes]:
    return LEDGER.lines(records=LEDGER.records[:size], checkpoints=notes)


def test_a_cut_tail_is_seen_by_the_newest_checkpoint() -> None:
    report = check(cut(15, LEDGER.checkpoints))
    assert ("tail.cut", 16) in errors(report)
    assert "records 16 to 23 are missing: a checkpoint was signed over 23 records" in str(report.findings)


def test_a_tail_cut_with_its_checkpoints_is_seen_by_one_that_the_reader_kept() -> None:
    lines = cut(15, LEDGER.checkpoints[:2])
    assert check(lines).ok
    kept = LEDGER.checkpoints[-1]
    held = [verifier.Checkpoint.read(kept.note.encode(), kept.signature, "kept")]
    assert errors(check(lines, held=held)) == [("tail.cut", 16)]


def test_a_file_that_ends_early_is_seen() -> None:
    lines = LEDGER.lines(checkpoints=[])[:-1]
    assert ("export.cut", None) in errors(check(lines, keys=()))


def rewritten(number: int) -> list[ExportedRecord]:
    """The ledger as whoever holds the database could rebuild it: one body changed, every hash after it made anew."""
    records, prev = [], chain.GENESIS
    for record in LEDGER.records:
        body = record.body.replace(b"user:7", b"user:8") if record.number == number else record.body
        hash_ = chain.link_hash(TENANT, record.number, prev, merkle.leaf_hash(body))
        records.append(dataclasses.replace(record, body=body, prev=prev, hash=hash_))
        prev = hash_
    return records


def test_a_rebuilt_chain_is_seen_by_the_checkpoint_above_the_change() -> None:
    report = check(LEDGER.lines(records=rewritten(12)))
    assert errors(report) == [("checkpoint.root", 20)]
    assert "records 11 to 20 are not as signed (root differs, chain head differs)" in report.findings[0].message
    assert report.covered == 10


def test_a_rebuilt_chain_signed_by_another_key_is_refused() -> None:
    thief = Signer()
    forged = Ledger(23, signed_at=(23,), signer=thief)
    assert check(forged.lines(), keys=()).ok  # it is in order by its own word
    assert ("checkpoint.key", 23) in errors(check(forged.lines()))


def test_a_signature_over_another_text_is_refused() -> None:
    note = LEDGER.checkpoints[-1]
    later = dataclasses.replace(note, note=note.note.replace("2026-11-21T00", "2026-11-21T01"))
    assert ("checkpoint.signature", 23) in errors(check(LEDGER.lines(checkpoints=[*LEDGER.checkpoints[:-1], later])))


@pytest.mark.parametrize("shift", [timedelta(days=-2), timedelta(days=400)])
def test_a_checkpoint_signed_outside_its_key_validity_is_refused(shift: timedelta) -> None:
    last = LEDGER.records[-1]
    note = LEDGER.sign(23, merkle.root(LEDGER.leaves), last.hash, at=AT + shift)
    assert errors(check(LEDGER.lines(checkpoints=[note]), keys=())) == [("checkpoint.validity", 23)]


def test_a_checkpoint_of_another_tenant_is_refused() -> None:
    note = LEDGER.checkpoints[0]
    text = note.note.replace(str(TENANT), str(OTHER_TENANT))
    other = dataclasses.replace(note, note=text, signature=LEDGER.signer.sign(text.encode()))
    assert ("checkpoint.tenant", 4) in errors(check(LEDGER.lines(checkpoints=[other, *LEDGER.checkpoints[1:]])))


def test_a_record_of_another_tenant_is_refused() -> None:
    records = LEDGER.records[:2]
    body = body_of(3, items=[], tenant=OTHER_TENANT)
    prev = records[-1].hash
    hash_ = chain.link_hash(TENANT, 3, prev, merkle.leaf_hash(body))
    lines = LEDGER.lines(records=[*records, ExportedRecord(3, body, prev, hash_)], checkpoints=[])
    report = check(lines, keys=())
    assert errors(report) == [("record.body", 3)]
    assert "another tenant" in report.findings[0].message


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"v":1, "tenant":"x"}', "canonical"),
        (b'{"v":1,"v":1}', "twice"),
        (b'{"v":1.5}', "whole number"),
        (b'{"v":9007199254740992}', "2^53"),
        (b"[" * 100_000, "deep"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "another tenant|unknown|deep"),
        (b"plain", "JSON"),
        (b'{"a":"\\ud800"}', "surrogate"),
    ],
)
def test_a_body_that_is_no_record_is_an_error_though_its_hash_holds(body: bytes, problem: str) -> None:
    hash_ = chain.link_hash(TENANT, 1, chain.GENESIS, merkle.leaf_hash(body))
    lines = LEDGER.lines(records=[ExportedRecord(1, body, chain.GENESIS, hash_)], checkpoints=[])
    report = check(lines, keys=())
    assert errors(report) == [("record.body", 1)]
    assert any(word in report.findings[0].message for word in problem.split("|"))


# ------------------------------------------------------------------------------------------- items and openings


def test_items_are_bound_to_their_record() -> None:
    lines = LEDGER.lines()
    at = place_of(lines, 10, item=3)
    changed = [*lines[:at], edit(lines[at], lambda row: row.update(body='{"id":"forged"}')), *lines[at + 1 :]]
    assert errors(check(changed)) == [("items.root", 10)]
    assert errors(check([*lines[:at], *lines[at + 1 :]]))[-1] == ("items.count", 10)
    stray = edit(lines[at], lambda row: row.update(n=11))
    after = place_of(lines, 11) + 1
    assert errors(check([*lines[:after], stray, *lines[after:]])) == [("item.stray", 11)]


def test_an_export_may_leave_items_out() -> None:
    report = check(LEDGER.lines(with_items=False))
    assert (report.ok, report.items) == (True, 0)


def test_a_disclosed_value_must_match_its_commitment() -> None:
    lines = LEDGER.lines()
    at = next(index for index, line in enumerate(lines) if b'"open"' in line)
    lines[at] = edit(lines[at], lambda row: row.update(value="eve@alpha.example"))
    report = check(lines)
    assert errors(report) == [("opening", 3)]
    assert "'email'" in report.findings[0].message


def test_erased_values_leave_every_proof_valid() -> None:
    erased = [dataclasses.replace(record, openings=()) for record in LEDGER.records]
    report = check(LEDGER.lines(records=erased))
    assert (report.ok, report.openings) == (True, 0)


def test_a_part_of_a_ledger_verifies_from_its_frontier() -> None:
    before = merkle.Frontier()
    before.extend(LEDGER.leaves[:12])
    start = Start(LEDGER.records[11].hash, before)
    part = LEDGER.lines(records=LEDGER.records[12:], checkpoints=LEDGER.checkpoints[2:], start=start)
    report = check(part)
    assert (report.ok, report.records, report.covered) == (True, 11, 23)
    other = merkle.Frontier(12, [bytes(32)] * 2)
    forged = LEDGER.lines(
        records=LEDGER.records[12:], checkpoints=LEDGER.checkpoints[2:], start=Start(start.hash, other)
    )
    assert ("checkpoint.root", 20) in errors(check(forged))


# ------------------------------------------------------------------------------------------------- hostile input

HEADER = json.loads(LEDGER.lines()[0])


def header(**changes: Any) -> bytes:
    return json.dumps(HEADER | changes).encode() + b"\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "line 1: the file is empty"),
        (b"not json\n", "line 1: not JSON"),
        (b"\xff\xfe\n", "line 1: not UTF-8"),
        (b"[" * 100_000, "line 1: nested too deeply"),
        (b"[]\n", "line 1: not a ledger export"),
        (b'{"format":"else"}\n', "line 1: not a ledger export"),
        (b'{"format":"intelgraph-ledger-export","format":"x"}\n', "line 1: an object names one key twice"),
        (b"".join(LEDGER.lines()[1:]), "line 1: not a ledger export"),
        (header(version=2), "line 1: unknown version"),
        (header(tenant=5), "line 1: 'tenant' must be text"),
        (header(tenant="alpha"), "line 1: 'tenant' is not a UUID"),
        (header(keys={}, checkpoints=3), "line 1: 'checkpoints' must be a list"),
        (header(keys=7), "line 1: 'keys' must be a list"),
        (header(keys=[{"public_key_pem": "x"}]), "line 1: key 0: not a public key"),
        (header(keys=[HEADER["keys"][0] | {"key_id": "0" * 16}]), "line 1: key 0: 'key_id' is not the id"),
        (header(keys=[HEADER["keys"][0] | {"not_after": "soon"}]), "line 1: key 0: 'not_after' is not a UTC time"),
        (header(checkpoints=[{"note": "x", "signature": "AA=="}]), "line 1: not a checkpoint note"),
        (header(checkpoints=[{"note": "x", "signature": "%"}]), "line 1: 'signature' is not base64"),
        (header(checkpoints=["x"]), "line 1: must be an object"),
        (header(start={"size": 3, "hash": "0" * 64, "frontier": []}), "line 1: a tree of 3 leaves has 2"),
        (header() + b"7\n", "line 2: must be an object"),
        (header() + b"{}\n", "line 2: 'n' must be a whole number"),
        (header() + b'{"n":true}\n', "line 2: 'n' must be a whole number"),
        (header() + b'{"n":-1}\n', "line 2: 'n' must be a whole number"),
        (header() + b'{"n":1e3}\n', "line 2: 1e3 is not a whole number"),
        (header() + b'{"n":' + b"9" * 5000 + b"}\n", "line 2: a number is beyond 2^53"),
        (header() + b'{"n":1,"body":[]}\n', "line 2: 'body' must be text"),
        (header() + b'{"n":1,"body":"\\ud800"}\n', "line 2: 'body' holds half of a surrogate pair"),
        (header() + b'{"n":1,"body":"{}","prev":"AB"}\n', "line 2: 'prev' must be 64"),
        (header() + b'{"n":1,"open":"email","salt":"zz"}\n', "line 2: 'salt' must be hexadecimal"),
        (header() + b"\n\n{nope\n", "line 4: not JSON"),
        (b"".join(LEDGER.lines()) + b'{"n":24}\n', "stands after the closing line"),
        (gzip.compress(b"".join(LEDGER.lines()))[:-40], "cannot be read"),
        (b"\x1f\x8b\x08garbage", "cannot be read"),
    ],
)
def test_hostile_input_is_refused_with_its_line(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(text)
    with pytest.raises(verifier.BadInput) as caught:
        verifier.check_file(path, verifier.KeyRing())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_without_end_is_not_swallowed(tmp_path: Path) -> None:
    path = tmp_path / "long.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        packed.write(header())
        for _ in range(40):
            packed.write(b"x" * (1 << 20))
    with pytest.raises(verifier.BadInput, match=r"line 2: longer than 16777216 bytes"):
        verifier.check_file(path, verifier.KeyRing())


def test_findings_are_bounded() -> None:
    lines = LEDGER.lines(checkpoints=[])
    at = place_of(lines, 5)
    report = check([*lines[:at], *[lines[at]] * 500, *lines[at:]], keys=())
    assert len(report.findings) <= verifier.MAX_FINDINGS + 3
    assert report.unlisted > 0
    assert not report.ok


def test_a_packed_export_reads_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(LEDGER.lines())))
    assert verifier.check_file(path, verifier.KeyRing([GIVEN])).ok


def test_a_sealed_commitment_is_the_salted_hash() -> None:
    body = json.loads(LEDGER.records[2].body)
    assert body["sealed"]["email"] == canonical.commitment(SALT, b'"ada@alpha.example"').hex()
