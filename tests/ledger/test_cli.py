"""`ig-ledger` as people run it: exit codes, one line of error, JSON, proofs, and no Django anywhere near."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from apps.ledger import verifier
from tests.ledger.samples import Ledger, Signer

ROOT = Path(__file__).resolve().parents[2]
LEDGER = Ledger(23, signed_at=(4, 10, 20))


def ig_ledger(*arguments: object, text: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apps.ledger.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, check=False, timeout=60)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ledger.jsonl").write_bytes(b"".join(LEDGER.lines()))
    (tmp_path / "pub.pem").write_bytes(LEDGER.signer.pem)
    (tmp_path / "other.pem").write_bytes(Signer().pem)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [LEDGER.signer.document]}))
    note = LEDGER.checkpoints[-1]
    (tmp_path / "note").write_text(note.note)
    (tmp_path / "note.sig").write_bytes(note.signature)
    (tmp_path / "note.b64").write_text(base64.b64encode(note.signature).decode() + "\n")
    return tmp_path


def test_verify_passes(files: Path) -> None:
    done = ig_ledger("verify", files / "ledger.jsonl", "--key", files / "pub.pem")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok: ledger of tenant")
    assert "records 21 to 23 are under no signed checkpoint" in done.stdout


def test_verify_reads_a_pipe_and_published_keys(files: Path) -> None:
    done = ig_ledger("verify", "-", "--keys", files / "keys.json", "--json", text=(files / "ledger.jsonl").read_bytes())
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["records"], report["covered"]) == (0, True, 23, 20)


def test_verify_refuses_a_tampered_byte_with_exit_1(files: Path) -> None:
    path = files / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"request-17", b"request-71"))
    done = ig_ledger("verify", path, "--key", files / "pub.pem", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (1, False)
    assert report["findings"][0] | {"line": 0} == {
        "code": "record.hash",
        "severity": "error",
        "number": 17,
        "line": 0,
        "message": "record 17: body does not match hash",
    }


def test_verify_refuses_another_key(files: Path) -> None:
    done = ig_ledger("verify", files / "ledger.jsonl", "--key", files / "other.pem")
    assert done.returncode == 1
    assert "checkpoint.key" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "missing.jsonl"],
        ["verify", "."],
        ["verify", "pub.pem"],
        ["verify", "ledger.jsonl", "--key", "ledger.jsonl"],
        ["verify", "ledger.jsonl", "--key", "missing.pem"],
        ["verify", "ledger.jsonl", "--keys", "pub.pem"],
        ["verify", "note", "--signature", "note.sig"],
        ["verify", "ledger.jsonl", "--checkpoint", "pub.pem", "note.sig"],
        ["prove", "missing.jsonl", "--number", "1"],
        ["prove", "ledger.jsonl", "--number", "99"],
        ["prove", "ledger.jsonl", "--number", "0"],
        ["prove", "ledger.jsonl", "--number", "22"],
        ["prove", "ledger.jsonl", "--number", "12", "--size", "10"],
        ["prove", "ledger.jsonl", "--number", "3", "--item", "0"],
        ["prove", "ledger.jsonl", "--number", "5", "--item", "7"],
        ["prove", "ledger.jsonl", "--number", "5", "--item", "-1"],
        ["prove", "ledger.jsonl", "--number", "5", "--out", "no/such/folder"],
        ["prove", "ledger.jsonl", "--extends", "4", "11"],
        ["prove", "ledger.jsonl", "--extends", "10", "4"],
    ],
)
def test_bad_input_exits_2_with_one_line(files: Path, arguments: list[str]) -> None:
    paths = [str(files / part) if "." in part or part in ("note", "no/such/folder") else part for part in arguments]
    done = ig_ledger(*paths)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["verify"], ["prove", "x"], ["verify", "x", "--nope"]])
def test_bad_usage_exits_2(arguments: list[str]) -> None:
    done = ig_ledger(*arguments)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("signature", ["note.sig", "note.b64"])
def test_a_checkpoint_note_verifies_by_itself(files: Path, signature: str) -> None:
    given = ["verify", files / "note", "--signature", files / signature, "--key", files / "pub.pem", "--json"]
    report = json.loads(ig_ledger(*given).stdout)
    assert (report["ok"], report["subject"], report["size"]) == (True, "checkpoint", 20)
    (files / "note").write_text((files / "note").read_text().replace("\n20\n", "\n19\n"))
    assert ig_ledger(*given).returncode == 1


def test_a_kept_checkpoint_shows_that_an_export_lacks_its_tail(files: Path) -> None:
    short = Ledger(0)
    short.signer, short.records, short.checkpoints = LEDGER.signer, LEDGER.records[:12], LEDGER.checkpoints[:2]
    (files / "short.jsonl").write_bytes(b"".join(short.lines()))
    given = ["verify", files / "short.jsonl", "--key", files / "pub.pem"]
    assert ig_ledger(*given).returncode == 0
    done = ig_ledger(*given, "--checkpoint", files / "note", files / "note.sig")
    assert done.returncode == 1
    assert "records 13 to 20 are missing" in done.stdout


def prove(files: Path, *arguments: object) -> dict[str, Any]:
    done = ig_ledger("prove", files / "ledger.jsonl", *arguments, "--out", files / "proof.json")
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads((files / "proof.json").read_text())
    return document


def verdict(files: Path, document: dict[str, Any], **options: Any) -> tuple[int, str]:
    (files / "proof.json").write_text(json.dumps(document, **options))
    done = ig_ledger("verify", files / "proof.json", "--key", files / "pub.pem")
    return done.returncode, done.stdout + done.stderr


def test_a_record_is_proved_and_each_alteration_refused(files: Path) -> None:
    document = prove(files, "--number", 17)
    assert verdict(files, document)[0] == 0
    assert verdict(files, document, indent=2)[0] == 0
    assert "proof.record" in verdict(files, document | {"number": 18})[1]
    assert "proof.record" in verdict(files, document | {"body": document["body"].replace("user:7", "user:8")})[1]
    assert "proof.record" in verdict(files, document | {"path": document["path"][::-1]})[1]
    note = document["checkpoint"] | {"note": document["checkpoint"]["note"].replace("\n20\n", "\n21\n")}
    assert "checkpoint.signature" in verdict(files, document | {"checkpoint": note})[1]


def test_an_item_of_a_batch_is_proved_through_both_trees(files: Path) -> None:
    document = prove(files, "--number", 15, "--item", 4, "--size", 20)
    code, text = verdict(files, document)
    assert code == 0
    assert "1 records, 1 items" in text
    forged = document | {"item": document["item"] | {"body": '{"id":"forged"}'}}
    assert "proof.item" in verdict(files, forged)[1]
    moved = document | {"item": document["item"] | {"position": 5}}
    assert "proof.item" in verdict(files, moved)[1]


def test_one_checkpoint_is_proved_to_extend_another(files: Path) -> None:
    document = prove(files, "--extends", 4, 20)
    assert verdict(files, document)[0] == 0
    assert "proof.consistency" in verdict(files, document | {"path": document["path"][1:]})[1]
    swapped = document | {"old": document["new"], "new": document["old"]}
    assert "proof.consistency" in verdict(files, swapped)[1]


@pytest.mark.parametrize(
    "change",
    [
        {"number": "17"},
        {"path": 5},
        {"path": ["zz"]},
        {"path": ["00" * 32] * 200},
        {"body": None},
        {"body": "\ud800"},
        {"checkpoint": None},
        {"checkpoint": {"note": "x", "signature": ""}},
        {"item": {"position": 0}},
        {"openings": [5]},
        {"keys": 5},
    ],
)
def test_malformed_proofs_exit_2(files: Path, change: dict[str, Any]) -> None:
    document = prove(files, "--number", 17) | change
    (files / "proof.json").write_text(json.dumps(document))
    done = ig_ledger("verify", files / "proof.json")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_disclosed_value_in_a_proof_is_checked(files: Path) -> None:
    document = prove(files, "--number", 18)
    opened = {"name": "email", "salt": bytes(range(16)).hex(), "value": "ada@alpha.example"}
    code, text = verdict(files, document | {"openings": [opened]})
    assert (code, "1 disclosed values" in text) == (0, True)
    assert verdict(files, document | {"openings": [opened | {"value": "eve"}]})[0] == 1


def test_no_proof_is_made_from_an_export_that_does_not_verify(files: Path) -> None:
    path = files / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"request-17", b"request-71"))
    done = ig_ledger("prove", path, "--number", 3)
    assert (done.returncode, done.stdout) == (2, "")
    assert "record 17: body does not match hash" in done.stderr


def test_the_verifier_file_runs_alone(files: Path) -> None:
    script = files / "verifier.py"
    script.write_text(ig_ledger("script").stdout)
    command = [sys.executable, "-I", str(script), str(files / "ledger.jsonl"), "--key", str(files / "pub.pem")]
    done = subprocess.run(command, cwd=files, env={"PATH": os.environ["PATH"]}, capture_output=True, check=False)
    assert (done.returncode, done.stdout[:3]) == (0, b"ok:")
    imports = [
        line.split()[1].split(".")[0]
        for line in script.read_text().splitlines()
        if line.startswith(("import ", "from "))
    ]
    assert set(imports) - set(sys.stdlib_module_names) == {"cryptography"}


def test_starting_imports_no_django() -> None:
    code = (
        "import sys, apps.ledger.cli as cli\n"
        "cli.build_parser()\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'psycopg', 'celery', 'graphene')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def envelope(signer: Signer, statement: dict[str, Any]) -> dict[str, Any]:
    payload, kind = json.dumps(statement).encode(), "application/vnd.in-toto+json"
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signature = base64.b64encode(signer.sign(signed)).decode()
    text = base64.b64encode(payload).decode()
    return {"payloadType": kind, "payload": text, "signatures": [{"keyid": signer.key_id, "sig": signature}]}


def test_an_envelope_and_its_artefact(files: Path) -> None:
    artefact = files / "report.csv"
    artefact.write_bytes(b"a,b\n")
    digest = verifier.hashlib.sha256(b"a,b\n").hexdigest()
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "report.csv", "digest": {"sha256": digest}}],
        "predicateType": "https://intelgraph.example/export/v1",
        "predicate": {"rate": 0.5},
    }
    (files / "dsse.json").write_text(json.dumps(envelope(LEDGER.signer, statement)))
    given = ["verify", files / "dsse.json", "--key", files / "pub.pem", "--artefact", artefact]
    assert ig_ledger(*given).returncode == 0
    artefact.write_bytes(b"a,c\n")
    done = ig_ledger(*given)
    assert (done.returncode, "envelope.subject" in done.stdout) == (1, True)
    assert ig_ledger("verify", files / "dsse.json", "--key", files / "other.pem").returncode == 1
    assert ig_ledger("verify", files / "dsse.json").returncode == 1
    (files / "dsse.json").write_text(json.dumps(envelope(LEDGER.signer, {"subject": [5], "predicateType": 1})))
    assert ig_ledger("verify", files / "dsse.json", "--key", files / "pub.pem").returncode == 2


def test_any_file_with_a_detached_signature(files: Path) -> None:
    artefact = files / "report.csv"
    artefact.write_bytes(b"a,b\n")
    (files / "report.sig").write_bytes(base64.b64encode(LEDGER.signer.sign(b"a,b\n")))
    given = ["verify", artefact, "--signature", files / "report.sig", "--key", files / "pub.pem"]
    assert ig_ledger(*given).returncode == 0
    artefact.write_bytes(b"a,c\n")
    assert ig_ledger(*given).returncode == 1


def test_a_key_of_another_kind_is_refused(files: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    public = ec.generate_private_key(ec.SECP384R1()).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (files / "p384.pem").write_bytes(pem)
    done = ig_ledger("verify", files / "ledger.jsonl", "--key", files / "p384.pem")
    assert (done.returncode, "not an ECDSA P-256 key" in done.stderr) == (2, True)
