"""The pages under docs/verify: every code block runs, in order, on real files of a filled installation."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vault.installations import ROOT, Installation, copy_of

pytestmark = pytest.mark.slow
PAGES = sorted((ROOT / "docs" / "verify").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SIGN = """
import django
django.setup()
import hashlib, json, pathlib
from apps.core.context import service_context
from apps.vault import services
from apps.vault.types import Subject
ctx, content = service_context("docs"), b"kind,count\\nAsset,3\\n"
pathlib.Path("report.csv").write_bytes(content)
pathlib.Path("report.csv.sig").write_text(services.sign_blob(ctx, content).base64)
pathlib.Path("public.pem").write_text(services.active_signer().public_key_pem)
subject = Subject("report.csv", hashlib.sha256(content).hexdigest())
kind = "https://intelgraph.example/report/v1"
made = services.sign_statement(ctx, subjects=[subject], predicate_type=kind, predicate={"rows": 1})
pathlib.Path("report.csv.dsse.json").write_text(json.dumps(made))
from apps.gateway.deliveries import PREDICATE_TYPE
from apps.gateway.realtime.accounts import Account, Terms, handed
terms = Terms("0192", "1", "alpha", "key:1", "changes", "graph.changes.subscribe", "d", "v", "public", None, 0)
account, log = Account(terms), ['{"type":"connection_ack"}']
for number in range(1, 4):
    payload = f'{{"data":{{"changes":{{"op":"updated"}}}},"extensions":{{"eventId":"{number}"}}}}'
    account.note((handed(payload),))
    log.append(f'{{"id":"1","type":"next","payload":{payload}}}')
pathlib.Path("messages.jsonl").write_text("\\n".join(log))
subject = Subject("delivery/0192", account.head.hex())
made = services.sign_statement(ctx, subjects=[subject], predicate_type=PREDICATE_TYPE, predicate=account.predicate())
pathlib.Path("statement.json").write_text(json.dumps(made))
"""


@pytest.fixture(scope="module")
def reader(whole: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Path]]:
    """A folder with what the pages speak of, and the two commands on the path."""
    folder = tmp_path_factory.mktemp("reader")
    commands = folder / "bin"
    commands.mkdir()
    for name, call in {
        "ig-ledger": f'exec {sys.executable} -m apps.ledger.cli "$@"',
        "python": f'if [ "$1" = manage.py ]; then shift; set -- {ROOT}/manage.py "$@"; fi; exec {sys.executable} "$@"',
    }.items():
        (commands / name).write_text(f"#!/bin/sh\n{call}\n")
        (commands / name).chmod(0o755)
    with copy_of(whole, tmp_path_factory.mktemp("copy")) as installation:
        export = installation.run(
            "manage.py", "ledger", "export", "--tenant", "alpha", "--out", folder / "alpha.jsonl.gz"
        )
        assert export.returncode == 0, export.stderr
        (folder / "keys.json").write_text(installation.run("manage.py", "signing_key", "list").stdout)
        signed = run(installation, folder, [sys.executable, "-c", SIGN])
        assert signed.returncode == 0, signed.stderr
        yield installation, folder


def run(installation: Installation, folder: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = installation.environment | {"PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_the_page_runs(reader: tuple[Installation, Path], page: Path) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    assert blocks
    for language, text in blocks:
        assert language in {"sh", "python"}
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        done = run(*reader, command)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        if "tampered" in text:
            assert "record 17: body does not match hash" in done.stdout


def test_the_page_of_findings_names_every_code() -> None:
    source = (ROOT / "apps" / "ledger" / "verifier.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'"((?:record|items?|checkpoint|tail|export|keys)\.[a-z]+)"', source)) | {"opening"}
    page = (ROOT / "docs" / "verify" / "export.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z]+(?:\.[a-z]+)?)`", page))
    assert codes - named - {"record.missing"} == set()
