"""The embedded Neo4j, and a running product that learns of it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from neo4j import GraphDatabase
from neo4j.exceptions import AuthError

from intelgraph.embedded import addresses, neo4j_jars
from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.layout import Layout
from intelgraph.embedded.neo4j import EmbeddedNeo4j
from tests.embedded.running import PROJECT, Running, bare_environment, eventually

pytestmark = pytest.mark.neo4j


def ask(url: str, statement: str) -> list[dict[str, object]]:
    """Return the rows of one statement."""
    user, rest = url.removeprefix("bolt://").split(":", 1)
    password, address = rest.split("@")
    with GraphDatabase.driver(f"bolt://{address}", auth=(user, password)) as driver:
        return [dict(record) for record in driver.execute_query(statement).records]  # type: ignore[arg-type]


def test_it_keeps_what_it_was_given_and_withdraws_its_address(var: Path) -> None:
    server = EmbeddedNeo4j(var)
    try:
        server.start()
        assert addresses.neo4j_url(server.layout) == server.url()
        ask(server.url(), "CREATE (:Thing {name: 'kept'})")
        with pytest.raises(AuthError):
            ask(server.url().replace("neo4j:", "neo4j:x"), "RETURN 1")
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        assert addresses.neo4j_url(server.layout) is None
        server.start()
        assert ask(server.url(), "MATCH (t:Thing) RETURN t.name AS name") == [{"name": "kept"}]
    finally:
        server.stop()
    assert not server.layout.neo4j_address.exists()


@pytest.mark.slow
def test_a_running_product_takes_it_up_and_lets_it_go(product: Callable[..., Running]) -> None:
    running = product().start()
    layout = Layout.at(running.var)
    command = [sys.executable, "-m", "intelgraph.embedded.neo4j_foreground"]
    with subprocess.Popen(
        command, cwd=PROJECT, env=bare_environment(VAR=str(running.var)), stdout=subprocess.PIPE
    ) as neo4j:
        try:
            url = eventually(lambda: (running.answers() or {}).get("NEO4J_URL"))
            assert ask(url, "RETURN 1 AS one") == [{"one": 1}]
            assert json.loads(layout.demo.read_text())["neo4j_url"] == url
        finally:
            neo4j.send_signal(signal.SIGINT)
        assert neo4j.wait(60) == 0
    eventually(lambda: (running.answers() or {"NEO4J_URL": "unknown"})["NEO4J_URL"] is None)
    assert json.loads(layout.demo.read_text())["neo4j_url"] is None


def test_without_maven_the_reason_and_the_mend_are_one_line(tmp_path: Path) -> None:
    script = (
        "from intelgraph.embedded import neo4j_jars\n"
        "from intelgraph.embedded.errors import EmbeddedError\n"
        "try:\n    neo4j_jars.fetch_jars()\nexcept EmbeddedError as error:\n    print(error)"
    )
    environment = {"PATH": str(tmp_path), "IG_TOOLS_HOME": str(tmp_path / "tools")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    assert "apt install maven" in done.stdout and "brew install maven" in done.stdout


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EmbeddedError, match="is not Java 17 or later"):
        neo4j_jars.java()
