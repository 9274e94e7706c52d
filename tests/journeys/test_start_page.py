"""The start page does what it says: every block of `docs/start.md` runs against a live server."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate

from apps.gateway.schema import schema
from tests.conftest import make_tenant
from tests.gateway.live_server import running

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "start.md"


def blocks(language: str) -> list[str]:
    """Return the page's code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_console_blocks_name_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for block in blocks("console"):
        for target in re.findall(r"make (\S+)", block):
            assert f"\n{target}:" in makefile


def test_graphql_blocks_fit_the_schema() -> None:
    for block in blocks("graphql"):
        assert validate(schema.graphql_schema, parse(block)) == []


def documents(text: str) -> Iterator[dict[str, Any]]:
    """Yield the GraphQL answers that stand one behind the other in a terminal's output."""
    at = text.find('{"data"')
    while at >= 0:
        answer, length = json.JSONDecoder().raw_decode(text[at:])
        yield answer
        at = text.find('{"data"', at + length)


@pytest.mark.slow
def test_every_shell_block_runs(tmp_path: Path) -> None:
    kit = make_tenant()
    token = kit.key("writer")
    (tmp_path / "server").mkdir()
    with running(tmp_path / "server") as server:
        here = tmp_path / "clone"
        (here / "var").mkdir(parents=True)
        (here / ".venv").symlink_to(ROOT / ".venv")
        (here / "manage.py").symlink_to(ROOT / "manage.py")
        (here / "var" / "demo.json").write_text(
            json.dumps({"base_url": server.url, "tenants": {"alpha": {"api_keys": {"writer": token}}}})
        )
        script = "set -eu\n" + "\n".join(blocks("bash")).replace("--tenant alpha", f"--tenant {kit.info.slug}")
        ended = subprocess.run(
            ["bash", "-c", script],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 0, ended.stderr
    answers = list(documents(ended.stdout))
    assert len(answers) == 2 and not any("errors" in answer for answer in answers), ended.stdout
    assert answers[1]["data"]["upsertEntities"]["created"] == 1
