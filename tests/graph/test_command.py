"""`manage.py graph`, as an operator runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from apps.core.scope import no_scope
from apps.graph import services
from apps.graph.management.commands import graph as command
from apps.graph.models import KindCount
from apps.graph.neo4j_store import Neo4jGraph
from apps.graph.selectors import summary
from apps.graph.services import projecting
from apps.graph.services.projecting import Projection
from apps.graph.subscribers import Neo4jProjection
from apps.graph.types import EntityInput
from tests.conftest import TenantKit, sequence
from tests.graph.conftest import in_neo4j, in_tables
from tests.graph.drawing import draw

Configure = Callable[..., None]
Settle = Callable[[], None]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    """Run the command; return (exit code, what --json printed, standard error)."""
    capsys.readouterr()
    code = 0
    try:
        with no_scope():
            call_command("graph", *words, "--json", stdout=sys.stdout, stderr=sys.stderr)
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


@pytest.fixture
def configured(
    neo4j_configured: Configure, monkeypatch: pytest.MonkeyPatch, graph_url: str, projector: Neo4jProjection
) -> None:
    """Neo4j as the commands see it."""
    neo4j_configured()
    monkeypatch.setattr(projecting, "is_configured", lambda: True)
    monkeypatch.setattr(
        projecting, "configured", lambda: Projection(projector.projection.graph, projector.name, chunk=3)
    )


def test_lag_is_shown_and_gates(tenant: TenantKit, settle: Settle, capsys: pytest.CaptureFixture[str]) -> None:
    settle()
    slug = tenant.info.slug
    assert run(capsys, "lag", "--tenant", slug) == (
        0,
        {"ok": True, "max": 0, "behind_events": {slug: {"graph.counts": 0}}},
        "",
    )
    draw(tenant.ctx, ["a", "b"], [("a", "k", "b")])
    sequence()
    code, told, _ = run(capsys, "lag", "--tenant", str(tenant.info.id))
    assert (code, told["ok"], told["behind_events"]) == (1, False, {slug: {"graph.counts": 2}})
    assert run(capsys, "lag", "--tenant", slug, "--max", "2")[0] == 0


@pytest.mark.neo4j
def test_rebuild_mends_what_check_finds(
    tenant: TenantKit, settle: Settle, project: Settle, configured: None, neo4j: Neo4jGraph,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    draw(tenant.ctx, list("abcdefg"), [("a", "k", "b"), ("b", "k", "c"), ("f", "k", "g")])
    settle()
    project()
    slug = tenant.info.slug
    assert run(capsys, "check", "--tenant", slug)[0] == 0
    with neo4j.session() as session:
        session.run("MATCH (n:Entity {tenant: $t}) WITH n LIMIT 3 DETACH DELETE n", t=str(tenant.info.id)).consume()
    code, told, _ = run(capsys, "check", "--tenant", slug)
    assert (code, told["ok"]) == (1, False)
    assert told["held"][slug]["postgresql"] == told["held"][slug]["graph.counts"] == {"entities": 7, "edges": 3}
    assert told["held"][slug]["graph.neo4j"]["entities"] == 4
    code, told, _ = run(capsys, "rebuild", "--tenant", slug)
    assert (code, told["ok"], told["tenants"]) == (0, True, 1)
    assert run(capsys, "check", "--tenant", slug)[0] == 0
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)
    assert run(capsys, "lag", "--tenant", slug)[1]["behind_events"][slug] == {
        "graph.counts": 0,
        summary.NEO4J: 0,
    }


def test_recount_says_what_was_wrong(tenant: TenantKit, settle: Settle, capsys: pytest.CaptureFixture[str]) -> None:
    draw(tenant.ctx, ["a"], [])
    settle()
    KindCount.objects.filter(kind="Thing").update(count=5)
    slug = tenant.info.slug
    code, told, _ = run(capsys, "recount", "--tenant", slug)
    assert code == 0
    assert told["corrected"] == {slug: [{"of": "entity", "kind": "Thing", "stood": 5, "right": 1}]}
    assert run(capsys, "recount", "--tenant", slug)[1]["corrected"] == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("lag", "--tenant", "no-such"), "there is no tenant 'no-such'"),
        (("lag", "--tenant", "01980000-0000-7000-8000-000000000000"), "there is no tenant"),
        (("lag", "--tenant", " "), "--tenant is empty"),
        (("rebuild",), "NEO4J_URL is not set"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told, error = run(capsys, *words)
    assert (code, told) == (2, None)
    assert said in error
    assert error.count("\n") == 1


def test_a_neo4j_that_stays_away_ends_the_rebuild(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PATIENCE_S", 0.1)
    graph = Neo4jGraph("bolt://neo4j:x@127.0.0.1:1")
    monkeypatch.setattr(projecting, "configured", lambda: Projection(graph, "graph.neo4j.nowhere"))
    code, _, error = run(capsys, "rebuild")
    assert code == 2
    assert error.startswith("error: Neo4j: ")


KILLED = """
import sys, django
django.setup()
from apps.graph.neo4j_store import connect
from apps.graph.services import projecting
projecting.configured = lambda: projecting.Projection(connect(sys.argv[1]), sys.argv[2], chunk=2)
from django.core.management import call_command
call_command("graph", "rebuild", "--tenant", sys.argv[3], "--json")
"""


@pytest.mark.neo4j
@pytest.mark.slow
def test_a_rebuild_that_is_killed_goes_on(
    tenant: TenantKit, project: Settle, neo4j: Neo4jGraph, projector: Neo4jProjection, graph_url: str
) -> None:
    draw(tenant.ctx, [f"n{i:03}" for i in range(200)], [(f"n{i:03}", "k", f"n{(i + 1) % 200:03}") for i in range(200)])
    project()
    with neo4j.session() as session:
        session.run("MATCH (n:Entity {tenant: $t}) DETACH DELETE n", t=str(tenant.info.id)).consume()
    words = [sys.executable, "-c", KILLED, graph_url, projector.name, tenant.info.slug]
    process = subprocess.Popen(words, env=os.environ.copy(), stdout=subprocess.PIPE, text=True)
    try:
        give_up = time.monotonic() + 60
        while not len(in_neo4j(neo4j, tenant.info.id).entities) >= 20 and time.monotonic() < give_up:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    half = in_neo4j(neo4j, tenant.info.id)
    assert half != in_tables(tenant.info.id)
    services.upsert_entities(tenant.ctx, inputs=[EntityInput("Thing", "n000", name="changed meanwhile")])
    done = subprocess.run(words, env=os.environ.copy(), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["ok"]
    project()
    assert in_neo4j(neo4j, tenant.info.id) == in_tables(tenant.info.id)


def test_the_lag_of_every_tenant(tenant: TenantKit, settle: Settle, capsys: pytest.CaptureFixture[str]) -> None:
    settle()
    code, told, _ = run(capsys, "lag", "--max", "1000000")
    assert code == 0
    assert tenant.info.slug in told["behind_events"]
    assert told["behind_events"][tenant.info.slug] == {"graph.counts": 0}
