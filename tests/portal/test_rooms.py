"""The auditors' and the developers' home: who begins where, what they find, and that every program shown there runs."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connections

from apps.core.ids import new_id
from apps.core.scope import no_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.identity import services as identity
from apps.portal import quickstart, release
from apps.portal.services import filters as kept
from apps.portal.types import Code
from apps.portal.views import audit
from apps.tenants import services as tenancy
from tests.conftest import TenantKit, make_tenant
from tests.gateway.live_server import LiveServer, running
from tests.portal.visitors import signed_in, streamed_bytes, text_of


@pytest.mark.parametrize(
    ("roles", "begins"),
    [
        (("auditor:tenant",), "/audit/"),
        (("auditor:org",), "/audit/"),
        (("developer",), "/developers/"),
        (("developer", "analyst"), "home"),
        (("owner",), "home"),
        (("reader", "auditor:tenant"), "home"),
    ],
)
def test_people_begin_where_their_work_is(tenant: TenantKit, roles: tuple[str, ...], begins: str) -> None:
    went = signed_in(tenant, *roles).get("/")["Location"]
    assert went == (f"/t/{tenant.info.slug}/" if begins == "home" else begins)


def test_an_auditor_sees_the_ledgers_that_they_may_audit_and_no_other(
    tenant: TenantKit, outsider: TenantKit, settle: Callable[[], None]
) -> None:
    visitor = signed_in(tenant, "auditor:org")
    other = make_tenant()
    with no_scope(), tenant_scope(other.info.id):
        identity.add_member(other.ctx, user_id=visitor.client.session["_auth_user_id"], roles=frozenset({"reader"}))
    settle()
    page = text_of(visitor.get("/audit/"))
    assert f"/t/{tenant.info.slug}/ledger/verify/" in page and f"/t/{tenant.info.slug}/ledger/export/" in page
    assert f"/t/{other.info.slug}/ledger/" not in page, "a reader audits nothing"
    assert outsider.info.slug not in page
    assert visitor.get(f"/t/{outsider.info.slug}/ledger/export/").status_code == 404


def test_a_tenant_that_is_not_open_says_so(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "auditor:tenant")
    tenancy.change_status(tenant.ctx, tenant_id=tenant.info.id, to="suspended", reason="test")
    page = text_of(visitor.get("/audit/"))
    assert "The tenant is suspended" in page and "ledger/verify" not in page


def test_someone_who_audits_nothing_is_told_whom_to_ask(tenant: TenantKit) -> None:
    page = text_of(signed_in(tenant, "reader").get("/audit/"))
    assert "Nothing to audit yet" in page
    assert 'href="/audit/"' not in text_of(signed_in(tenant, "reader").get(""))
    assert 'href="/audit/"' in text_of(signed_in(tenant, "dpo").get(""))


def test_the_form_leads_to_the_proof_of_a_record(
    tenant: TenantKit, outsider: TenantKit, settle: Callable[[], None]
) -> None:
    settle()
    visitor = signed_in(tenant, "auditor:tenant")
    went = visitor.get(f"/audit/proof/?tenant={tenant.info.slug}&number=1")
    assert went["Location"] == f"/t/{tenant.info.slug}/ledger/1/proof/"
    for number in ("", "0", "-1", "x", "١", "9" * 19):
        assert (
            visitor.get("/audit/proof/", query_params={"tenant": tenant.info.slug, "number": number}).status_code == 400
        )
    assert visitor.get(f"/audit/proof/?tenant={outsider.info.slug}&number=1").status_code == 404


def test_verifying_finds_nothing_wrong_and_then_a_changed_byte(tenant: TenantKit, settle: Callable[[], None]) -> None:
    graph.upsert_entities(tenant.ctx, inputs=[EntityInput("Asset", "a"), EntityInput("Asset", "b")])
    settle()
    visitor = signed_in(tenant, "auditor:tenant")
    settle()
    good = visitor.post("ledger/verify/")
    assert good.status_code == 200 and "The ledger holds" in text_of(good)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as db:
        db.execute("alter table ledger_record disable trigger all")
        try:
            done = db.execute(
                "update ledger_record set body = set_byte(body, 20, get_byte(body, 20) # 1)"
                " where tenant_id = %s and id = (select min(id) from ledger_record where tenant_id = %s)",
                (tenant.info.id, tenant.info.id),
            )
            assert done.rowcount == 1
        finally:
            db.execute("alter table ledger_record enable always trigger append_only")
            db.execute("alter table ledger_record enable always trigger append_only_truncate")
    bad = text_of(visitor.post("ledger/verify/"))
    assert "The ledger does not hold" in bad and 'role="alert"' in bad


def test_verifying_is_for_those_who_see_the_ledger_and_counts_as_calls(tenant: TenantKit) -> None:
    assert signed_in(tenant, "reader").post("ledger/verify/").status_code == 403
    visitor = signed_in(tenant, "auditor:tenant")
    assert visitor.get("ledger/verify/").status_code == 405
    codes = [visitor.post("ledger/verify/") for _ in range(40)]
    refused = next(answer for answer in codes if answer.status_code == 429)
    assert int(refused["Retry-After"]) >= 1 and "Too many requests" in text_of(refused)


def test_the_export_of_the_page_is_a_gzip_of_the_ledger(tenant: TenantKit, settle: Callable[[], None]) -> None:
    settle()
    visitor = signed_in(tenant, "auditor:tenant")
    settle()
    lines = gzip.decompress(streamed_bytes(visitor.get("ledger/export/"))).splitlines()
    assert len(lines) > 2 and json.loads(lines[0])


def test_developers_find_addresses_schema_and_documents(tenant: TenantKit) -> None:
    visitor = signed_in(tenant, "developer")
    page = text_of(visitor.get("/developers/"))
    assert "/graphql/ws" in page and f"/t/{tenant.info.slug}/keys/new/" in page and "search:v1" in page
    schema = visitor.get("/developers/schema.graphql")
    assert "type Query" in text_of(schema) and "attachment" in schema["Content-Disposition"]
    for one in release.documents():
        assert text_of(visitor.get(f"/developers/documents/{one.file_name}")) == one.text
    for name in ("nothing.v1.graphql", "persisted.json", "..%2f..%2fREADME.md"):
        assert visitor.get(f"/developers/documents/{name}").status_code == 404
    assert "/keys/new/" not in text_of(signed_in(tenant, "reader").get("/developers/"))


def test_the_changelog_is_told_by_version_and_kind() -> None:
    text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One `thing`\n  more.\n- [Two](x.md)\n\n## [1.0.0] - 2026-01-02\n\n### Fixed\n\n- Three\n"
    first, second = release.parse_changelog(text)
    assert (first.name, first.day, first.kinds) == ("Unreleased", "", (("Added", ("One thing more.", "Two")),))
    assert (second.name, second.day, second.kinds) == ("1.0.0", "2026-01-02", (("Fixed", ("Three",)),))
    assert release.changelog()[0].kinds


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("live")) as server:
        yield server


NODE = shutil.which("node")
COMMANDS = {
    "curl": ["sh", "-e"],
    "Python": [sys.executable, "-"],
    "JavaScript": [NODE or "node", "--input-type=module"],
}
ASKED = [pytest.param(one, id=f"{word}-{one.label}") for word, codes in (("ask", quickstart.GRAPHQL), ("bring", quickstart.REST)) for one in codes]  # fmt: skip


def runnable(code: Code) -> None:
    if code.label == "JavaScript" and NODE is None:
        pytest.skip("this machine has no node")


@pytest.mark.parametrize("code", ASKED)
def test_each_first_program_runs_as_it_stands(live: LiveServer, tmp_path: Path, code: Code) -> None:
    runnable(code)
    kit = make_tenant()
    environment = {**os.environ, "IG_URL": live.url, "IG_TOKEN": kit.key("admin")}
    done = subprocess.run(
        COMMANDS[code.label], input=code.text, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.get("state") == "queued" or told["data"]["me"]["tenant"]["slug"] == kit.info.slug, told


@pytest.mark.parametrize("label", ["Python", "JavaScript"])
def test_each_follower_sees_a_change(live: LiveServer, tmp_path: Path, label: str) -> None:
    kit = make_tenant()
    (code,) = [one for one in quickstart.live(kit.info.slug) if one.label == label]
    runnable(code)
    environment = {**os.environ, "IG_URL": live.url, "IG_TOKEN": kit.key("admin")}
    flags = ["--experimental-websocket"] if label == "JavaScript" else []  # Node 22 needs none
    command = [COMMANDS[label][0], *flags, *COMMANDS[label][1:]]
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    )
    late = threading.Timer(60, child.kill)
    late.start()
    seen = threading.Event()

    def write() -> None:
        """Make things until one was told of: what comes before the server took the subscription is not."""
        while not seen.wait(0.3):
            with no_scope(), tenant_scope(kit.info.id):
                graph.upsert_entities(kit.ctx, inputs=[EntityInput("Asset", new_id().hex, name="Mail server")])
        connections.close_all()

    writer = threading.Thread(target=write)
    try:
        assert child.stdin and child.stdout and child.stderr
        child.stdin.write(code.text)
        child.stdin.close()
        assert child.stdout.readline().strip() == "listening", child.stderr.read()
        writer.start()
        told = json.loads(child.stdout.readline())
        assert told["op"] == "created" and told["entity"]["name"] == "Mail server"
    finally:
        seen.set()
        late.cancel()
        child.kill()
        child.wait()
        if writer.ident is not None:
            writer.join()


def test_the_page_of_the_portal_tells_the_bounds_that_hold() -> None:
    page = (release.ROOT / "docs" / "portal.md").read_text(encoding="utf-8")
    for said in (
        f"up to {audit.MOST_HERE:,} records",
        f"counts as {audit.VERIFYING_COSTS} calls",
        f"{kept.MOST_OWN} for each member, {kept.MOST_SHARED}\nshared",
    ):
        assert said in page, said


@pytest.mark.parametrize("role", ["billing", "reader", "auditor:tenant", "dpo"])
def test_the_search_of_every_page_leads_where_its_reader_may_go(tenant: TenantKit, role: str) -> None:
    visitor = signed_in(tenant, role)
    found = re.search(r'class="search-button" href="([^"]+)"', text_of(visitor.get("limits/")))
    assert found and visitor.get(found[1]).status_code == 200
