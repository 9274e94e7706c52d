"""What leaves the ledger over REST verifies without us."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope
from apps.gateway.rest import schemas
from apps.ledger import verifier
from apps.vault import selectors as vault
from apps.vault import services as vault_services
from tests.conftest import TenantKit
from tests.rest.conftest import Api, content_of, problem_of


@pytest.fixture
def grown(api: Api, settle: Callable[[], None]) -> Api:
    """A tenant with numbered records under a signed checkpoint."""
    for number in range(3):
        api.save_people()
        api.send("PUT", f"/mappings/m{number}", body={"format": "stix"})
    with no_scope():
        settle()
        vault_services.ensure_signing_key(api.kit.ctx)
        vault_services.write_checkpoints(api.kit.ctx)
    return api


def keys() -> verifier.KeyRing:
    with no_scope(), system_scope("vault.keys"):
        return verifier.KeyRing(verifier.read_keys(vault.key_documents(), "published"))


def test_a_proof_verifies_offline_and_a_changed_one_does_not(grown: Api) -> None:
    checkpoints = grown.get("/ledger/checkpoints").json()
    schemas.Checkpoints.model_validate(checkpoints)
    size = checkpoints["items"][0]["size"]
    answer = grown.get(f"/ledger/proof?number=1&size={size}")
    document = answer.json()
    schemas.Proof.model_validate(document)
    assert verifier.check_proof(document, keys()).ok
    document["body"] = document["body"].replace('"v":1', '"v":2')
    assert not verifier.check_proof(document, keys()).ok


@pytest.mark.parametrize("packed", ["0", "1"])
def test_an_export_verifies_offline(grown: Api, tmp_path: Path, packed: str) -> None:
    answer = grown.get(f"/ledger/export?packed={packed}", Accept="*/*")
    assert answer.status_code == 200 and answer.headers["Content-Disposition"].startswith(
        f'attachment; filename="ledger-{grown.kit.info.slug}-'
    )
    content = content_of(answer)
    if packed == "1":
        assert answer.headers["Content-Type"] == "application/gzip"
        content = gzip.decompress(content)
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(content)
    assert verifier.check_file(file, keys()).ok
    lines = content.splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]))
    assert not verifier.check_file(file, keys()).ok


def test_what_is_not_there_is_said(grown: Api, outsider: TenantKit) -> None:
    assert problem_of(grown.get("/ledger/proof?number=999999"), 404)["field"] == "number"
    problem_of(grown.get("/ledger/export?after=999999", Accept="*/*"), 404)
    assert problem_of(grown.get("/ledger/proof"), 400)["field"] == "number"
    assert problem_of(grown.get("/ledger/proof?number=0"), 400)["field"] == "number"
    problem_of(grown.get(f"/ledger/proof?number={2**63}"), 400)
    problem_of(grown.get("/ledger/proof?number=1", scope="reader"), 403)
    problem_of(Api(outsider).get("/ledger/proof?number=500"), 404)
    problem_of(grown.get(f"/entities/{new_id()}"), 404)


def test_checkpoints_are_given_in_pages(grown: Api, settle: Callable[[], None]) -> None:
    grown.send("PUT", "/mappings/more", body={"format": "stix"})
    with no_scope():
        settle()
        vault_services.write_checkpoints(grown.kit.ctx)
    first = grown.get("/ledger/checkpoints?first=1")
    assert len(first.json()["items"]) == 1 and 'rel="next"' in first.headers["Link"]
    second = grown.get(f"/ledger/checkpoints?first=1&after={first.json()['next']}").json()
    assert second["items"][0]["size"] < first.json()["items"][0]["size"]


def test_keys_are_public_and_revalidated(grown: Api) -> None:
    for path, kind in (
        ("/.well-known/intelgraph/keys.json", "application/json"),
        ("/.well-known/jwks.json", "application/jwk-set+json"),
    ):
        answer = Client().get(path)
        assert answer.status_code == 200 and answer.headers["Content-Type"] == kind and answer.json()["keys"]
        assert b"PRIVATE" not in answer.content and b'"d"' not in answer.content
        again = Client().get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304 and not again.content
