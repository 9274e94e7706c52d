"""The chain's formula and the checkpoint's text, byte by byte."""

import hashlib
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from apps.ledger import chain, merkle, verifier
from tests.ledger.samples import AT, TENANT, Ledger


def test_the_formula() -> None:
    leaf = merkle.leaf_hash(b"{}")
    assert leaf == hashlib.sha256(b"\x00{}").digest()
    wanted = hashlib.sha256(b"intelgraph-ledger-v1\n" + TENANT.bytes + bytes(7) + b"\x01" + bytes(32) + leaf).digest()
    assert chain.link_hash(TENANT, 1, chain.GENESIS, leaf) == wanted


@given(st.uuids(), st.integers(0, 2**63 - 100), st.lists(st.binary(min_size=32, max_size=32), max_size=20))
def test_runs_and_single_links_and_the_verifier_agree(tenant: object, after: int, leaves: list[bytes]) -> None:
    prev = chain.GENESIS
    singly = []
    for number, leaf in enumerate(leaves, after + 1):
        assert verifier.chain_hash(tenant.bytes, number, prev, leaf) == chain.link_hash(tenant, number, prev, leaf)  # type: ignore[attr-defined, arg-type]
        prev = chain.link_hash(tenant, number, prev, leaf)  # type: ignore[arg-type]
        singly.append(prev)
    assert chain.link_hashes(tenant, after, chain.GENESIS, leaves) == singly  # type: ignore[arg-type]


def test_the_note_is_seven_lines() -> None:
    note = chain.checkpoint_note(TENANT, size=3, root=b"\1" * 32, head=b"\2" * 32, at=AT, key_id="ab" * 8)
    assert note.split("\n") == [
        "intelgraph-ledger-checkpoint-v1",
        str(TENANT),
        "3",
        "01" * 32,
        "02" * 32,
        "2026-11-21T00:00:00.000000Z",
        "abababababababab",
        "",
    ]


def test_a_checkpoint_verifies_with_openssl_alone(tmp_path: Path) -> None:
    ledger = Ledger(5, signed_at=(5,))
    note = ledger.checkpoints[0]
    (tmp_path / "pub.pem").write_bytes(ledger.signer.pem)
    (tmp_path / "note").write_text(note.note)
    (tmp_path / "sig").write_bytes(note.signature)
    command = ["openssl", "dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "note"]
    whole = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (whole.returncode, whole.stdout.strip()) == (0, "Verified OK")
    (tmp_path / "note").write_text(note.note.replace("\n5\n", "\n4\n"))
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1
