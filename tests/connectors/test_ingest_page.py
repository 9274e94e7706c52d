"""The page on ingest: every block of it runs, in order, and prints what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from apps.connectors.mapping import document
from tests.conftest import TenantKit
from tests.connectors.graphs import graph_of

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.S | re.M)


def test_every_block_of_the_page_runs(tenant: TenantKit, tmp_path: Path) -> None:
    page = (ROOT / "docs/develop/ingest.md").read_text()
    blocks = BLOCK.findall(page)
    assert [language for language, _, _ in blocks] == ["csv", "yaml", "sh", "jsonl", "sh", "yaml"]
    for language, name, text in blocks:
        if language == "sh":
            script = text.replace("python manage.py", f"{sys.executable} {ROOT}/manage.py").replace(
                "alpha", tenant.info.slug
            )
            done = subprocess.run(
                ["sh", "-e", "-c", script],
                cwd=tmp_path,
                env=dict(os.environ),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        elif language == "jsonl":
            assert (tmp_path / name).read_text() == text
        else:
            (tmp_path / name).write_text(text)
            if language == "yaml":
                document.load(text, name=Path(name).stem)
    entities, edges = graph_of(tenant.ctx)
    assert [(entity[0], entity[1]) for entity in entities] == [("Company", "acme"), ("Person", "1"), ("Person", "2")]
    assert [(edge[0], edge[2][1], edge[3][1]) for edge in edges] == [("worksAt", "1", "acme"), ("worksAt", "2", "acme")]
