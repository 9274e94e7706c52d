"""docs/operate/neo4j.md says what the code does."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from apps.bus import relay
from apps.core import conf
from apps.graph.neo4j_store.connection import parse
from apps.graph.services import projecting
from apps.graph.traversal import engines

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operate/neo4j.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.S | re.M)


@pytest.mark.neo4j
@pytest.mark.slow
def test_every_block_runs(graph_url: str) -> None:
    assert [language for language, _ in BLOCKS] == ["sh", "sh"]
    settings, commands = (text for _, text in BLOCKS)
    named = re.findall(r"^export (\w+)=(\S+)$", settings, flags=re.M)
    assert [name for name, _ in named] == ["NEO4J_URL", "IG_NEO4J_MAX_LAG"]
    conf.read({**os.environ, **dict(named)})
    assert parse(dict(named)["NEO4J_URL"]).database == "neo4j"
    # The server is shared with other tests: only what reads of it is run against it; the rest parses its arguments.
    script = commands.replace("python manage.py", f"{ROOT}/.venv/bin/python manage.py")
    for line in script.splitlines():
        words = line if "lag" in line or "recount" in line else f"{line} --help"
        done = subprocess.run(["sh", "-ec", words], cwd=ROOT, env=os.environ.copy(), capture_output=True, text=True)
        assert done.returncode in {0, 1}, done.stderr
        assert done.stdout


def test_the_metrics_exist() -> None:
    told = set(re.findall(r"`(ig_\w+)", PAGE))
    metrics = (relay.BEHIND, relay.AWAY, projecting.REBUILDING, engines.SECONDS, engines.PASSED_OVER)
    names = {metric._name + ("_total" if metric._type == "counter" else "") for metric in metrics}
    assert told == names


def test_the_figures_are_the_codes() -> None:
    assert f"chunks of {projecting.CHUNK:,}" in PAGE
    assert f"left alone for {engines.REST_S:.0f} seconds" in PAGE
