"""`manage.py ledger`: what is whole passes, and each way of damaging a ledger in its database is located."""

import gzip
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.vault.installations import ROOT, Installation

pytestmark = pytest.mark.slow
ALPHA = "(select id from tenants_tenant where slug = 'alpha')"
RECORD = f"(select record_id from ledger_link where tenant_id = {ALPHA} and number = 17)"
FORGED = "convert_to(replace(convert_from(body, 'UTF8'), 'reason 17', 'reason 71'), 'UTF8')"


def alpha(report: dict[str, Any]) -> dict[str, Any]:
    return next(ledger for ledger in report["ledgers"] if ledger["tenant"] == "alpha")


def errors(report: dict[str, Any]) -> list[tuple[str, int | None]]:
    return [(f["code"], f.get("number")) for f in alpha(report)["findings"] if f["severity"] == "error"]


def test_a_whole_installation_passes(whole: Installation) -> None:
    code, report = whole.verify()
    assert (code, report["ok"], report["findings"]) == (0, True, []), report
    found = alpha(report)
    assert (found["records"], found["items"], found["checkpoints"], found["covered"]) == (25, 20, 2, 20)
    assert {ledger["tenant"] for ledger in report["ledgers"]} == {"alpha", "platform"}
    assert found["waiting"] == {"count": 0, "oldest_s": 0.0}
    words = whole.manage("ledger", "verify", "--tenant", "alpha")
    assert words.returncode == 0
    assert "ok: alpha" in words.stdout
    assert "records 21 to 25 are under no signed checkpoint" in words.stdout


DAMAGE: dict[str, tuple[list[str], list[tuple[str, int | None]]]] = {
    "one byte of a body": (
        [f"update ledger_record set body = {FORGED} where id = {RECORD}"],
        [("record.hash", 17), ("record.columns", 17), ("checkpoint.root", 20)],
    ),
    "a body and its leaf": (
        [
            f"update ledger_record set body = {FORGED} where id = {RECORD}",
            f"update ledger_record set leaf = sha256('\\x00'::bytea || body) where id = {RECORD}",
        ],
        [("record.hash", 17), ("checkpoint.root", 20)],
    ),
    "a leaf": ([f"update ledger_record set leaf = sha256('x') where id = {RECORD}"], [("record.columns", 17)]),
    "an actor": ([f"update ledger_record set actor = 'user:9' where id = {RECORD}"], [("record.columns", 17)]),
    "a time": (
        [f"update ledger_record set at = at + interval '1 microsecond' where id = {RECORD}"],
        [("record.columns", 17)],
    ),
    "a record moved to another tenant": (
        [f"update ledger_record set tenant_id = uuidv7() where id = {RECORD}"],
        [("record.columns", 17)],
    ),
    "a deleted record": ([f"delete from ledger_record where id = {RECORD}"], [("record.missing", 17)]),
    "a deleted link": (
        [f"delete from ledger_link where tenant_id = {ALPHA} and number = 17"],
        [("record.gap", 17)],
    ),
    "a hash": (
        [f"update ledger_link set hash = sha256('x') where tenant_id = {ALPHA} and number = 17"],
        [("record.hash", 17)],
    ),
    "a previous hash": (
        [f"update ledger_link set prev = sha256('x') where tenant_id = {ALPHA} and number = 17"],
        [("record.link", 17), ("record.hash", 17)],
    ),
    "two swapped records": (
        [
            f"update ledger_link set record_id = -record_id where tenant_id = {ALPHA} and number in (17, 18)",
            "update ledger_link l set record_id = -o.record_id from ledger_link o"
            f" where l.tenant_id = {ALPHA} and o.tenant_id = l.tenant_id and l.number = 17 and o.number = 18",
            "update ledger_link l set record_id = r.id from ledger_record r"
            f" where l.tenant_id = {ALPHA} and l.number = 18 and r.tenant_id = l.tenant_id"
            " and r.id not in (select record_id from ledger_link)",
        ],
        [("record.hash", 17), ("record.hash", 18), ("checkpoint.root", 20)],
    ),
    "an item": (
        [
            "update ledger_item set version = 9 where position = 2 and record_id ="
            f" (select record_id from ledger_link where tenant_id = {ALPHA} and number = 15)"
        ],
        [("items.root", 15)],
    ),
    "a deleted item": (
        [
            "delete from ledger_item where position = 3 and record_id ="
            f" (select record_id from ledger_link where tenant_id = {ALPHA} and number = 15)"
        ],
        [("items.count", 15)],
    ),
    "an item slipped in": (
        [
            "insert into ledger_item select tenant_id, record_id, 4, ref_kind, ref_id, op, version, kind, commitment"
            f" from ledger_item where position = 3 and record_id ="
            f" (select record_id from ledger_link where tenant_id = {ALPHA} and number = 15)"
        ],
        [("items.count", 15)],
    ),
    "an item under a record without any": (
        [
            f"insert into ledger_item select tenant_id, {RECORD}, 0, ref_kind, ref_id, op, version, kind, commitment"
            " from ledger_item where position = 3 limit 1"
        ],
        [("item.stray", 17)],
    ),
    "a sealed value": (
        [f"update ledger_sealed set value = '\"eve@alpha.example\"' where tenant_id = {ALPHA}"],
        [("opening", 6), ("opening", 12), ("opening", 18), ("opening", 24)],
    ),
    "the tail": (
        [
            f"delete from ledger_link where tenant_id = {ALPHA} and number > 22",
            f"update ledger_head h set number = 22, hash = l.hash from ledger_link l"
            f" where l.tenant_id = {ALPHA} and l.number = 22 and h.tenant_id = l.tenant_id",
        ],
        [],  # what no checkpoint covers can be cut unseen in its own ledger; the positions of all links show it
    ),
    "the tail with its checkpoint": (
        [
            f"delete from ledger_link where tenant_id = {ALPHA} and number > 15",
            f"delete from ledger_checkpoint where tenant_id = {ALPHA} and size > 15",
            f"delete from ledger_record where tenant_id = {ALPHA} and id not in (select record_id from ledger_link)",
            f"update ledger_head h set number = 15, hash = l.hash from ledger_link l"
            f" where l.tenant_id = {ALPHA} and l.number = 15 and h.tenant_id = l.tenant_id",
        ],
        [("checkpoint.copy", 20), ("tail.cut", 16)],
    ),
    "a whole ledger": (
        [
            f"delete from {table} where tenant_id = {ALPHA}"
            for table in ("ledger_link", "ledger_checkpoint", "ledger_head", "ledger_item", "ledger_record")
        ],
        [("checkpoint.copy", 10), ("checkpoint.copy", 20), ("tail.cut", 1)],
    ),
    "a head that lags": (
        [f"update ledger_head set number = 24 where tenant_id = {ALPHA}"],
        [("head.number", 25)],
    ),
    "a head's hash": (
        [f"update ledger_head set hash = sha256('x') where tenant_id = {ALPHA}"],
        [("head.hash", 25)],
    ),
    "a missing head": ([f"delete from ledger_head where tenant_id = {ALPHA}"], [("head.number", 25)]),
    "a checkpoint's root": (
        [f"update ledger_checkpoint set root = sha256('x') where tenant_id = {ALPHA} and size = 20"],
        [("checkpoint.row", 20)],
    ),
    "a checkpoint's note": (
        [
            f"update ledger_checkpoint set note = replace(note, E'\\n20\\n', E'\\n19\\n')"
            f" where tenant_id = {ALPHA} and size = 20"
        ],
        [("checkpoint.row", 20), ("checkpoint.signature", 19), ("checkpoint.copy", 20), ("checkpoint.root", 19)],
    ),
    "a checkpoint's signature": (
        [
            f"update ledger_checkpoint set signature = set_byte(signature, 20, 255 - get_byte(signature, 20))"
            f" where tenant_id = {ALPHA} and size = 20"
        ],
        [("checkpoint.signature", 20), ("checkpoint.copy", 20)],
    ),
    "a checkpoint's frontier": (
        [f"update ledger_checkpoint set frontier = '\\x00' where tenant_id = {ALPHA} and size = 20"],
        [("checkpoint.row", 20)],
    ),
    "a deleted checkpoint": (
        [f"delete from ledger_checkpoint where tenant_id = {ALPHA} and size = 20"],
        [("checkpoint.copy", 20)],
    ),
    "a key's window": (
        ["update vault_signing_key set not_after = now() - interval '1 year', status = 'retired'"],
        [("checkpoint.validity", 10), ("checkpoint.validity", 20)],
    ),
    "a vanished key": (
        ["delete from vault_signing_key where status <> 'active'"],
        [("checkpoint.key", 10), ("checkpoint.key", 20)],
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_located(damaged: Installation, name: str) -> None:
    statements, wanted = DAMAGE[name]
    damaged.sql(*statements)
    code, report = damaged.verify()
    assert (code, report["ok"], errors(report)) == (1, False, wanted)


def test_a_gap_in_the_order_of_all_links_is_seen(damaged: Installation) -> None:
    damaged.sql(f"delete from ledger_link where tenant_id = {ALPHA} and number > 22")
    _, report = damaged.verify()
    assert [finding["code"] for finding in report["findings"]] in (["position.gap"], ["position.end"])


def test_a_rebuilt_ledger_is_seen_by_its_checkpoints(damaged: Installation) -> None:
    """Whoever owns the database changes a body and makes every hash after it anew: the signature gives it away."""
    damaged.sql(
        f"update ledger_record set body = {FORGED} where id = {RECORD}",
        f"update ledger_record set leaf = sha256('\\x00'::bytea || body) where id = {RECORD}",
        f"""
        do $$
        declare
            link record;
            before bytea;
        begin
            select hash into before from ledger_link where tenant_id = {ALPHA} and number = 16;
            for link in
                select l.number, l.tenant_id, r.leaf from ledger_link l join ledger_record r on r.id = l.record_id
                where l.tenant_id = {ALPHA} and l.number > 16 order by l.number
            loop
                update ledger_link set prev = before, hash = sha256(
                    'intelgraph-ledger-v1'::bytea || '\\x0a'::bytea || uuid_send(link.tenant_id)
                    || int8send(link.number) || before || link.leaf
                ) where tenant_id = link.tenant_id and number = link.number returning hash into before;
            end loop;
            update ledger_head set hash = before where tenant_id = {ALPHA};
        end $$
        """,
    )
    code, report = damaged.verify()
    assert (code, errors(report)) == (1, [("checkpoint.root", 20)])
    message = next(f["message"] for f in alpha(report)["findings"] if f["severity"] == "error")
    assert message == "checkpoint 20: records 11 to 20 are not as signed (root differs, chain head differs)"


def test_no_checkpoint_is_signed_over_altered_records(damaged: Installation) -> None:
    damaged.sql(
        "update ledger_record set actor = actor, body = convert_to(replace(convert_from(body, 'UTF8'), 'reason 23',"
        " 'reason 32'), 'UTF8') where id ="
        f" (select record_id from ledger_link where tenant_id = {ALPHA} and number = 23)"
    )
    done = damaged.manage("ledger", "checkpoint", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["ok"]) == (1, False)
    assert [entry["reason"] for entry in result["refused"]] == ["record 23: body does not match hash"]
    count = damaged.sql(f"select count(*) from ledger_checkpoint where tenant_id = {ALPHA}")
    assert count == [(2,)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("root = sha256('x')", "frontier does not give its root"),
        ("note = note || 'x'", "columns differ from the signed note"),
        ("signature = set_byte(signature, 20, 255 - get_byte(signature, 20))", "signature does not match"),
        ("head = sha256('x')", "record 21: body does not match hash"),
        ("frontier = '\\x00'", "not a stored frontier"),
    ],
)
def test_no_checkpoint_is_built_on_one_that_was_altered(damaged: Installation, change: str, reason: str) -> None:
    damaged.sql(f"update ledger_checkpoint set {change} where tenant_id = {ALPHA} and size = 20")
    done = damaged.manage("ledger", "checkpoint")
    assert done.returncode == 1
    assert "REFUSED" in done.stdout
    assert reason in done.stdout


def test_a_checkpoint_that_was_not_copied_is_copied_later(damaged: Installation) -> None:
    for copy in damaged.objects.rglob("*/ledger/checkpoints/*20.*"):
        copy.unlink()
    code, report = damaged.verify("--tenant", "alpha")
    assert code == 0
    assert "checkpoint.uncopied" in [finding["code"] for finding in alpha(report)["findings"]]
    assert damaged.manage("ledger", "checkpoint").returncode == 0
    code, report = damaged.verify("--tenant", "alpha")
    assert (code, alpha(report)["covered"], alpha(report)["findings"]) == (0, 25, [])
    again = damaged.manage("ledger", "checkpoint", "--json")
    assert json.loads(again.stdout)["signed"] == []


def test_waiting_records_are_counted(damaged: Installation) -> None:
    damaged.sql(
        "insert into ledger_record (tenant_id, event_id, type, actor, at, body, leaf, item_count)"
        f" values ({ALPHA}, uuidv7(), 'a.b.c', 'user:1', now() - interval '90 s', '', '', 0)"
    )
    code, report = damaged.verify("--tenant", "alpha")
    assert (code, alpha(report)["waiting"]["count"]) == (0, 1)
    assert 90 <= alpha(report)["waiting"]["oldest_s"] < 600
    words = damaged.manage("ledger", "verify")
    assert "1 records wait to be numbered, the oldest for 9" in words.stdout


def test_a_trusted_key_from_outside_decides(whole: Installation, tmp_path: Path) -> None:
    published = json.loads(whole.manage("signing_key", "list").stdout)["keys"]
    for place, key in enumerate(published):
        (tmp_path / f"{place}.pem").write_text(key["public_key_pem"])
    every = [part for place in range(len(published)) for part in ("--key", tmp_path / f"{place}.pem")]
    assert whole.verify("--tenant", "alpha", *every)[0] == 0
    active = next(place for place, key in enumerate(published) if key["status"] == "active")
    code, report = whole.verify("--tenant", "alpha", "--key", tmp_path / f"{active}.pem")
    assert (code, errors(report)[0][0]) == (1, "checkpoint.key")


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--tenant", "nobody"],
        ["verify", "--tenant", "018f0000-0000-7000-8000-000000000000"],
        ["verify", "--key", "missing.pem"],
        ["verify", "--key", "README.md"],
        ["export", "--tenant", "nobody"],
        ["export", "--tenant", "alpha", "--after", "99"],
        ["export", "--tenant", "alpha", "--after", "-1"],
        ["export", "--tenant", "alpha", "--out", "no/such/folder/x"],
    ],
)
def test_bad_input_exits_2_with_one_line(whole: Installation, arguments: list[str]) -> None:
    done = whole.manage("ledger", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")


def test_the_command_line_itself(whole: Installation) -> None:
    for usage in (["ledger"], ["ledger", "nonsense"], ["signing_key", "rotate", "--overlap-days", "400"]):
        done = whole.run("manage.py", *usage)
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    done = whole.run("manage.py", "ledger", "verify", "--tenant", "nobody")
    assert (done.returncode, done.stderr) == (2, "error: there is no tenant 'nobody'\n")
    assert whole.run("manage.py", "ledger", "verify").returncode == 0


def ig_ledger(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apps.ledger.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("after", [0, 7, 10, 20])
def test_an_export_verifies_offline(whole: Installation, tmp_path: Path, after: int) -> None:
    out = tmp_path / "alpha.jsonl.gz"
    (tmp_path / "keys.json").write_text(whole.manage("signing_key", "list").stdout)
    done = whole.manage("ledger", "export", "--tenant", "alpha", "--after", after, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    checked = ig_ledger("verify", out, "--keys", tmp_path / "keys.json", "--json")
    report = json.loads(checked.stdout)
    if after == 20:  # no checkpoint lies above record 20, so nothing vouches for the beginning of this part
        assert (checked.returncode, report["findings"][0]["code"]) == (1, "checkpoint.none")
    else:
        assert (checked.returncode, report["records"], report["covered"]) == (0, 25 - after, 20)
    lines = gzip.decompress(out.read_bytes()).splitlines()
    assert b"ada@alpha.example" not in b"".join(lines)
    at = next(place for place, line in enumerate(lines) if b"reason 23" in line)
    lines[at] = lines[at].replace(b"reason 23", b"reason 32")
    out.write_bytes(gzip.compress(b"\n".join(lines)))
    tampered = ig_ledger("verify", out, "--keys", tmp_path / "keys.json")
    assert (tampered.returncode, "record 23: body does not match hash" in tampered.stdout) == (1, True)


def test_an_export_goes_to_standard_output_too(whole: Installation) -> None:
    done = whole.run("manage.py", "ledger", "export", "--tenant", "platform")
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[0])["format"] == "intelgraph-ledger-export"
    assert "end" in json.loads(done.stdout.splitlines()[-1])


def test_processes_that_start_at_once_make_one_key(damaged: Installation) -> None:
    damaged.sql("delete from vault_signing_key")
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda _: damaged.run("manage.py", "signing_key", "ensure"), range(3)))
    assert {done.returncode for done in ended} == {0}
    assert len({done.stdout for done in ended}) == 1
    assert damaged.sql("select count(*) from vault_signing_key") == [(1,)]


def test_no_key_no_signature(damaged: Installation) -> None:
    damaged.sql("delete from vault_signing_key")
    done = damaged.manage("ledger", "checkpoint")
    assert (done.returncode, done.stderr) == (2, "error: there is no active signing key\n")
    damaged.manage("signing_key", "ensure")
    damaged.sql("update vault_signing_key set private_sealed = overlay(private_sealed placing 'AAAA' from 30)")
    done = damaged.manage("ledger", "checkpoint")
    assert done.returncode == 2
    assert "cannot be opened: altered" in done.stderr
