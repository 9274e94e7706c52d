"""The clients that programs in browsers and Node use, as npm has them: graphql-ws, Apollo Client, urql.

All of them run in one Node process; each check is a test here. Where they cannot be had they are skipped, and the report says why.
"""

import json
import os
import re
import shutil
import subprocess

import pytest

from intelgraph.embedded.errors import EmbeddedError
from scripts import node_packages
from tests.conformance.conftest import Service

SCRIPT = node_packages.CLIENTS / "clients.mjs"
CHECKS = re.findall(r"^  async '(.+)'\(\) \{$", SCRIPT.read_text(encoding="utf-8"), flags=re.M)
RUN_S = 90


@pytest.fixture(scope="module")
def outcomes(service: Service) -> dict[str, str | None]:
    """What came of each check: nothing wrong, or what was."""
    try:
        home = node_packages.install(node_packages.CLIENTS)
    except EmbeddedError as why:
        pytest.skip(str(why))
    shutil.copy(SCRIPT, home / SCRIPT.name)
    environment = {
        "PATH": os.environ["PATH"],
        "IG_URL": service.live.url,
        "IG_TOKEN": service.token,
        "IG_TENANT": service.slug,
    }
    done = subprocess.run(
        ["node", SCRIPT.name], cwd=home, env=environment, capture_output=True, text=True, timeout=RUN_S, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {each["name"]: each["error"] for each in told}


def test_every_check_of_the_script_is_known_here() -> None:
    assert len(CHECKS) == len(set(CHECKS)) >= 9


@pytest.mark.parametrize("name", CHECKS)
def test_client(outcomes: dict[str, str | None], name: str) -> None:
    assert name in outcomes, "it did not run"
    assert outcomes[name] is None, outcomes[name]
