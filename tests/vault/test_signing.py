"""Signatures that public tools accept, keys that rotate with overlap, and what the ledger keeps of both."""

import base64
import hashlib
import json
import subprocess
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connections
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from apps.core.clock import utc_now
from apps.core.context import service_context
from apps.core.errors import InvalidInput
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.ledger import verifier
from apps.vault import keys, selectors, services
from apps.vault.models import SigningKey
from apps.vault.types import KeyStatus, Subject
from tests.conftest import TenantKit

CTX = service_context("test")
PREDICATE = "https://intelgraph.example/export/v1"


@pytest.fixture(autouse=True)
def _key() -> None:
    services.ensure_signing_key(CTX)


def pem_of(key_id: str) -> str:
    return next(key.public_key_pem for key in selectors.public_keys() if key.key_id == key_id)


def recorded(tenant_id: Any, type_: str) -> list[dict[str, Any]]:
    with system_scope("ledger.verify"), connections["system"].cursor() as cursor:
        cursor.execute("select body from ledger_record where tenant_id = %s and type = %s", [tenant_id, type_])
        return [json.loads(bytes(row[0])) for row in cursor.fetchall()]


def test_openssl_accepts_a_detached_signature(tenant: TenantKit, tmp_path: Path) -> None:
    signed = services.sign_blob(tenant.ctx, b"report\n", kind="report")
    (tmp_path / "report").write_bytes(b"report\n")
    (tmp_path / "sig").write_bytes(base64.b64decode(signed.base64))
    (tmp_path / "pub.pem").write_text(pem_of(signed.key_id))
    command = ["openssl", "dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "report"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "report").write_bytes(b"report!")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_a_signature_is_recorded_where_it_was_asked_for(tenant: TenantKit) -> None:
    signed = services.sign_blob(tenant.ctx, b"mine", kind="report")
    data = recorded(tenant.info.id, "vault.signature.made")[0]["data"]
    assert data == {"key_id": signed.key_id, "kind": "report", "subject": hashlib.sha256(b"mine").hexdigest()}
    mark = hashlib.sha256(base64.b64encode(tenant.info.id.bytes)).digest()
    services.sign_digest(CTX, sha256=mark, kind="release")
    assert mark.hex() in [body["data"]["subject"] for body in recorded(PLATFORM_TENANT_ID, "vault.signature.made")]


def test_a_digest_of_another_length_is_refused(tenant: TenantKit) -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        services.sign_digest(tenant.ctx, sha256=b"short")


def envelope(tenant: TenantKit) -> dict[str, Any]:
    subjects = [Subject("report.csv", hashlib.sha256(b"a,b\n").hexdigest())]
    predicate = {"rows": 2, "share": 0.5, "nom": "№ é"}
    return services.sign_statement(tenant.ctx, subjects=subjects, predicate_type=PREDICATE, predicate=predicate)


def test_securesystemslib_accepts_a_statement(tenant: TenantKit) -> None:
    made = envelope(tenant)
    key_id = made["signatures"][0]["keyid"]
    public = serialization.load_pem_public_key(pem_of(key_id).encode())
    key = SSlibKey.from_crypto(public, keyid=key_id)
    assert list(Envelope.from_dict(deepcopy(made)).verify([key], 1)) == [key_id]
    statement = json.loads(base64.b64decode(made["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "report.csv", "digest": {"sha256": hashlib.sha256(b"a,b\n").hexdigest()}}]
    forged = base64.b64encode(base64.b64decode(made["payload"]).replace(b'"rows":2', b'"rows":3')).decode()
    with pytest.raises(VerificationError):
        Envelope.from_dict(deepcopy(made) | {"payload": forged}).verify([key], 1)
    other = SSlibKey.from_crypto(ec.generate_private_key(ec.SECP256R1()).public_key(), keyid=key_id)
    with pytest.raises(VerificationError):
        Envelope.from_dict(deepcopy(made)).verify([other], 1)


def test_our_own_verifier_accepts_a_statement(tenant: TenantKit, tmp_path: Path) -> None:
    made = envelope(tenant)
    (tmp_path / "report.csv").write_bytes(b"a,b\n")
    ring = verifier.KeyRing(verifier.read_keys(selectors.key_documents(), "keys"))
    assert verifier.check_envelope(made, ring, [tmp_path / "report.csv"]).ok
    (tmp_path / "report.csv").write_bytes(b"a,c\n")
    assert not verifier.check_envelope(made, ring, [tmp_path / "report.csv"]).ok


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"subjects": []}, "needs a subject"),
        ({"subjects": [Subject("a", "AB")]}, "digest of 'a'"),
        ({"subjects": [Subject("a", "0" * 64)] * 2}, "one name"),
        ({"predicate_type": "export"}, "URI"),
        ({"predicate": {"n": 2**60}}, "."),
        ({"predicate": {"n": float("nan")}}, "."),
    ],
)
def test_a_statement_that_says_nothing_true_is_refused(tenant: TenantKit, change: dict[str, Any], problem: str) -> None:
    asked = {"subjects": [Subject("a", "0" * 64)], "predicate_type": PREDICATE, "predicate": {}} | change
    with pytest.raises(InvalidInput, match=problem):
        services.sign_statement(tenant.ctx, **asked)


def test_keys_rotate_with_overlap_and_retire(tenant: TenantKit) -> None:
    before = services.sign_blob(tenant.ctx, b"x")
    fresh = services.rotate_key(CTX, overlap=timedelta(days=3))
    after = services.sign_blob(tenant.ctx, b"x")
    assert after.key_id == fresh.key_id != before.key_id
    known = {key.key_id: key for key in selectors.public_keys()}
    assert known[before.key_id].status == KeyStatus.RETIRING
    assert known[before.key_id].not_after is not None
    published = [key["kid"] for key in selectors.jwks_document()["keys"]]
    assert {before.key_id, after.key_id} <= set(published)
    later = CTX.but(clock=lambda: utc_now() + timedelta(days=4))
    services.ensure_signing_key(later)
    known = {key.key_id: key for key in selectors.public_keys()}
    assert known[before.key_id].status == KeyStatus.RETIRED
    assert before.key_id not in [key["kid"] for key in selectors.jwks_document()["keys"]]
    assert before.key_id in [key["key_id"] for key in selectors.keys_document()["keys"]]
    with system_scope("vault.keys"):
        assert SigningKey.objects.get(key_id=before.key_id).private_sealed == ""
    events = [body["data"] for body in recorded(PLATFORM_TENANT_ID, "vault.key.rotated")]
    assert (before.key_id, fresh.key_id) in [(event["before"], event["after"]) for event in events]
    assert {"key_id": before.key_id} in [body["data"] for body in recorded(PLATFORM_TENANT_ID, "vault.key.retired")]


def test_an_old_key_is_replaced_by_itself() -> None:
    now = services.ensure_signing_key(CTX)
    old = services.ensure_signing_key(CTX.but(clock=lambda: utc_now() + timedelta(days=364)))
    assert old.key_id == now.key_id
    new = services.ensure_signing_key(CTX.but(clock=lambda: utc_now() + timedelta(days=400)))
    assert new.key_id != now.key_id
    services.rotate_key(CTX)  # a key that is valid today, for whoever comes next


@pytest.mark.parametrize("days", [-1, 91])
def test_an_overlap_out_of_bounds_is_refused(days: int) -> None:
    with pytest.raises(InvalidInput, match="overlap"):
        services.rotate_key(CTX, overlap=timedelta(days=days))


def test_there_is_one_active_key_whatever_happens_at_once() -> None:
    with system_scope("vault.keys"):
        assert SigningKey.objects.filter(status=KeyStatus.ACTIVE).count() == 1


def test_the_application_role_sees_no_signing_key(tenant: TenantKit) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("select count(*) from vault_signing_key")
        assert cursor.fetchone()[0] == 0
    with system_scope("vault.keys"):
        assert SigningKey.objects.count() > 0


def test_private_keys_are_sealed_at_rest() -> None:
    with system_scope("vault.keys"):
        row = SigningKey.objects.get(status=KeyStatus.ACTIVE)
    private = services.active_signer()._private  # type: ignore[attr-defined]
    secret = private.private_numbers().private_value.to_bytes(32, "big")
    blob = row.private_sealed.rsplit(".", 1)[1]
    assert secret not in base64.urlsafe_b64decode(blob)
    assert "PRIVATE" not in row.private_sealed


def test_published_keys_are_whole(tenant: TenantKit) -> None:
    signed = services.sign_blob(tenant.ctx, b"x")
    document = next(key for key in selectors.keys_document()["keys"] if key["key_id"] == signed.key_id)
    assert document["algorithm"] == "ecdsa-p256-sha256"
    assert document["not_after"] is None
    jwk = next(key for key in selectors.jwks_document()["keys"] if key["kid"] == signed.key_id)
    assert {name: jwk[name] for name in ("kty", "crv", "use", "alg")} == {
        "kty": "EC",
        "crv": "P-256",
        "use": "sig",
        "alg": "ES256",
    }
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=" * (-len(jwk[name]) % 4)), "big") for name in "xy")
    rebuilt = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    assert keys.key_id(rebuilt) == signed.key_id
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
