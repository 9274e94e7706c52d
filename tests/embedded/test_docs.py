"""docs/operate/embedded.md says what the code does."""

import re
import subprocess
from pathlib import Path

from intelgraph.embedded import options, specs
from intelgraph.embedded.layout import Layout
from tests.embedded.running import PROJECT, bare_environment

PAGE = (PROJECT / "docs" / "operate" / "embedded.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.S | re.M)


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    lines = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return rows[2:]


def test_every_block_runs() -> None:
    assert len(BLOCKS) == 2
    for language, text in BLOCKS:
        assert language == "sh"
        # What `make run` then does has tests of its own; here make shows that it knows what to do.
        script = f'set -e; make() {{ command make -n "$@"; }}\n{text}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=PROJECT, env=bare_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "manage.py up" in done.stdout


def test_outside_databases_are_named_as_they_are_read() -> None:
    assert all(f"export {name}=" in BLOCKS[1][1] for name in options.OUTSIDE_DATABASE)


def test_the_processes_are_the_plans_in_the_order_of_their_end(tmp_path: Path) -> None:
    stages = {f"`{spec.name}`": spec.stage for spec in specs.product(Layout.at(tmp_path), 8000).processes}
    listed = [row[0] for row in table("What runs")]
    assert sorted(listed) == sorted([*stages, "`redis`", "`postgres`"])
    assert [stages.get(name, 9) for name in listed] == sorted(stages.get(name, 9) for name in listed)


def test_the_files_are_the_layouts(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    named = {name.strip("`/") for row in table("What is kept") for name in row[0].split(", ")}
    paths = [layout.secrets, layout.services, layout.demo, layout.neo4j_address, layout.postgres, layout.redis]
    paths += [layout.neo4j, layout.objects, layout.logs, layout.run, layout.sockets]
    assert named == {path.name for path in paths}


def test_the_roles_are_those_of_the_statements() -> None:
    created = re.findall(r"'(ig_\w+)'", (PROJECT / "intelgraph" / "embedded" / "roles.sql").read_text())
    assert {row[0].strip("`") for row in table("Roles of the database")} == set(created)
