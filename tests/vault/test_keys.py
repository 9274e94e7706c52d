"""Key ids, key files and outside signers, cross-checked with openssl."""

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from apps.vault import keys, signers
from apps.vault.errors import NoSigningKey, SigningFailed


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    return path


def test_a_key_id_can_be_worked_out_with_openssl(key_file: Path) -> None:
    signer = signers.from_setting(str(key_file), ())
    der = openssl("pkey", "-in", str(key_file), "-pubout", "-outform", "DER")
    assert signer.key_id == hashlib.sha256(der).hexdigest()[:16]
    assert signer.public_key_pem.encode() == openssl("pkey", "-in", str(key_file), "-pubout")


def test_an_encrypted_key_file_opens_with_the_installations_secret(key_file: Path, tmp_path: Path) -> None:
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_bytes(openssl("pkey", "-in", str(key_file), "-aes256", "-passout", "pass:right secret"))
    plain_id = signers.from_setting(str(key_file), ()).key_id
    assert signers.from_setting(str(encrypted), ("wrong secret", "right secret")).key_id == plain_id
    with pytest.raises(NoSigningKey, match="another password"):
        signers.from_setting(str(encrypted), ("wrong secret",))


def test_files_that_hold_no_such_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with pytest.raises(NoSigningKey, match="No such file"):
        signers.from_setting(str(path), ())
    path.write_bytes(b"nonsense")
    with pytest.raises(NoSigningKey, match="not a private key"):
        signers.from_setting(str(path), ())
    path.write_bytes(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"))
    with pytest.raises(NoSigningKey, match="not an ECDSA P-256 key"):
        signers.from_setting(str(path), ())


def test_public_keys_of_other_kinds_are_refused() -> None:
    with pytest.raises(keys.NotAKey, match="PEM"):
        keys.load_public("nonsense")
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(keys.NotAKey, match="P-256"):
        keys.load_public(pem)


def program(folder: Path, body: str) -> str:
    path = folder / "signer.sh"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return f"{signers.COMMAND}{path}"


def test_a_program_may_hold_the_key(key_file: Path, tmp_path: Path) -> None:
    setting = program(
        tmp_path,
        f"case $1 in public-key) openssl pkey -in {key_file} -pubout ;;"
        f" sign-digest) openssl pkeyutl -sign -inkey {key_file} ;; esac",
    )
    signer = signers.from_setting(setting, ())
    assert signer.key_id == signers.from_setting(str(key_file), ()).key_id
    signature = signers.sign(signer, b"evidence")
    assert keys.signed(keys.load_public(signer.public_key_pem), b"evidence", signature)
    assert not keys.signed(keys.load_public(signer.public_key_pem), b"evidenze", signature)


@pytest.mark.parametrize(
    ("signing", "problem"),
    [("exit 3", "ended with 3"), ("echo nonsense", "does not verify"), ("cat", "does not verify")],
)
def test_a_program_that_fails_or_lies_is_noticed(key_file: Path, tmp_path: Path, signing: str, problem: str) -> None:
    setting = program(tmp_path, f"case $1 in public-key) openssl pkey -in {key_file} -pubout ;; *) {signing} ;; esac")
    signer = signers.from_setting(setting, ())
    with pytest.raises(SigningFailed, match=problem):
        signers.sign(signer, b"evidence")


def test_a_program_without_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoSigningKey, match="public key"):
        signers.from_setting(program(tmp_path, "echo nothing"), ())
    with pytest.raises(SigningFailed, match="did not answer"):
        signers.from_setting(f"{signers.COMMAND}{tmp_path}/missing", ())
