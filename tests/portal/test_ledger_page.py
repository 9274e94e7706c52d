"""The ledger's pages, and that what they hand out verifies without us."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from apps.core.scope import no_scope
from apps.ledger import selectors as ledger
from apps.ledger.verifier import main as verify
from apps.portal.types import ProofState
from apps.portal.views.ledger import proof_of
from apps.vault import services as vault
from tests.conftest import TenantKit
from tests.portal.conftest import Graph
from tests.portal.visitors import signed_in, streamed_bytes, text_of

MakeGraph = Callable[[TenantKit], Graph]


def checkpoint(tenant: TenantKit) -> None:
    with no_scope():
        vault.ensure_signing_key(tenant.ctx.but(tenant_id=None, tenant_slug=""))
        vault.write_checkpoints(tenant.ctx.but(tenant_id=None, tenant_slug=""))


def test_records_are_listed_newest_first_with_their_proof(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    page = text_of(signed_in(tenant, "auditor:tenant").get("ledger/"))
    numbers = [int(n) for n in re.findall(r'class="row-link" href="/t/[^"]+/ledger/(\d+)/"', page)]
    assert numbers == sorted(numbers, reverse=True) and numbers[-1] == 1
    assert "Relations written" in page and page.count("tone-sealed") >= len(numbers)


def test_a_type_narrows_the_list(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    visitor = signed_in(tenant, "owner")
    page = text_of(visitor.get("ledger/?type=graph.edges.upserted"))
    assert len(re.findall(r'class="row-link"', page)) == 1
    assert "No record of this type" in text_of(visitor.get("ledger/?type=nothing.like.this"))
    assert visitor.get("ledger/?after=x").status_code == 400


def test_a_changed_record_is_called_broken(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    record = ledger.newest(tenant.info.id, limit=1)[0]
    assert proof_of(tenant.ctx, record).state is ProofState.SEALED
    for spoiled in (
        replace(record, body=record.body.replace(b'"created"', b'"Created"', 1)),
        replace(record, prev=bytes(32)),
        replace(record, number=record.number + 1),
        replace(record, hash=bytes(32)),
    ):
        assert proof_of(tenant.ctx, spoiled).state is ProofState.BROKEN


def test_a_record_says_what_it_changed(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    entities = next(r for r in ledger.newest(tenant.info.id) if r.type == "graph.entities.upserted")
    page = text_of(signed_in(tenant, "owner").get(f"ledger/{entities.number}/"))
    assert "Nordlicht" in page and "4 things" in page and entities.hash.hex() in page
    auditor = text_of(signed_in(tenant, "auditor:tenant").get(f"ledger/{entities.number}/"))
    assert "Nordlicht" not in auditor and "4 things" in auditor, "an auditor sees ids, not contents"


def test_unknown_records_are_not_there(tenant: TenantKit, graph_of: MakeGraph) -> None:
    graph_of(tenant)
    visitor = signed_in(tenant, "owner")
    for number in ("0", "999999", str(2**70)):
        assert visitor.get(f"ledger/{number}/").status_code == 404
        assert visitor.get(f"ledger/{number}/proof/").status_code == 404


def test_a_downloaded_proof_verifies_and_a_changed_one_does_not(
    tenant: TenantKit, graph_of: MakeGraph, tmp_path: Path
) -> None:
    graph_of(tenant)
    visitor = signed_in(tenant, "auditor:tenant")
    early = visitor.get("ledger/2/proof/")
    assert early.status_code == 404, "no checkpoint covers it yet"
    checkpoint(tenant)
    answer = visitor.get("ledger/2/proof/")
    assert 'filename="record-2.proof.json"' in answer["Content-Disposition"]
    file = tmp_path / "proof.json"
    file.write_bytes(answer.content)
    assert verify([str(file)]) == 0
    document = json.loads(answer.content)
    document["body"] = document["body"].replace('"actor":"', '"actor":"x', 1)
    file.write_text(json.dumps(document))
    assert verify([str(file)]) == 1


def test_the_whole_ledger_downloads_and_verifies(tenant: TenantKit, graph_of: MakeGraph, tmp_path: Path) -> None:
    graph_of(tenant)
    checkpoint(tenant)
    answer = signed_in(tenant, "auditor:tenant").get("ledger/export/")
    file = tmp_path / "ledger.jsonl.gz"
    file.write_bytes(streamed_bytes(answer))
    assert verify([str(file)]) == 0
    assert signed_in(tenant, "analyst").get("ledger/export/").status_code == 403


def test_readers_have_no_ledger(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "reader")
    assert visitor.get("ledger/").status_code == 403 and "/ledger/" not in text_of(visitor.get(""))
