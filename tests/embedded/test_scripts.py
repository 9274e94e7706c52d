"""The programs behind the Makefile: set-up, docs lint, temporary services."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import lint_docs
from tests.embedded.running import PROJECT, bare_environment

GOOD = """# Title

See [the other](other.md#a-part), [above](#title), [out](https://example.org/x) and `[not](a link)`.

```python
print("[no link](nowhere.md)")
```

## Part
"""


def test_a_good_page_has_no_problem(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## A part\n")
    (tmp_path / "page.md").write_text(GOOD)
    assert lint_docs.problems(tmp_path / "page.md") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# T\n\n[a](missing.md)\n", ":3: link to missing.md, which does not exist"),
        ("# T\n\n[a](#nothing)\n", ":3: link to #nothing, which is no heading of page.md"),
        ("# T\n\n```\nx\n```\n", ":3: code block without a language"),
        ("# T\n\n```sh\nx\n", ":3: code block is never closed"),
        ("# T\n\n### Deep\n", ":3: heading of level 3 after level 1"),
        ("# T\n\n# U\n", ":3: a page has one title"),
        ("text\n", ":1: page without a title"),
    ],
)
def test_each_problem_is_found_where_it_is(tmp_path: Path, text: str, problem: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert [found.removeprefix(str(page)) for found in lint_docs.problems(page)] == [problem]
    assert lint_docs.main([str(page)]) == 1


def test_a_command_beside_temporary_services_has_them_and_leaves_nothing() -> None:
    script = (
        "import os, psycopg, redis, sys; psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT 1')\n"
        "redis.Redis.from_url(os.environ['REDIS_URL']).ping(); print(os.environ['IG_VAR']); sys.exit(7)"
    )
    command = [sys.executable, "-m", "scripts.with_services", "--", sys.executable, "-c", script]
    done = subprocess.run(command, cwd=PROJECT, env=bare_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert not Path(done.stdout.strip()).exists()


def test_set_up_refuses_an_old_python() -> None:
    script = (
        "import sys; sys.version_info = (3, 9, 0, 'final', 0); sys.argv = ['setup_env.py', 'run']\n"
        "import runpy; runpy.run_path('scripts/setup_env.py', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "3.11 or later is needed" in done.stderr and "brew install" in done.stderr


def test_make_without_python_says_what_to_install(tmp_path: Path) -> None:
    for program in ("sh", "make", "test"):
        found = next(
            Path(folder) / program for folder in os.environ["PATH"].split(":") if (Path(folder) / program).exists()
        )
        (tmp_path / program).symlink_to(found)
    done = subprocess.run(
        ["make", "run"], cwd=PROJECT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Python 3.11 or later is missing: apt install python3" in done.stderr


def test_set_up_installs_when_a_file_changed_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(PROJECT / "scripts" / "setup_env.py", tmp_path / "scripts")
    (tmp_path / "requirements.txt").write_text("# nothing\n")

    def set_up() -> list[str]:
        command = [sys.executable, "scripts/setup_env.py", "run"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()

    first = set_up()
    assert first[0].startswith("creating .venv") and first[1] == "installing requirements.txt (once)"
    assert set_up() == []
    (tmp_path / "requirements.txt").write_text("# changed\n")
    assert set_up()[0] == "installing requirements.txt (once)"
    (tmp_path / "thing-1.0.tar.gz").write_bytes(b"anything")
    (tmp_path / "requirements.txt").write_text(f"{tmp_path}/thing-1.0.tar.gz\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        set_up()
    assert "hashes are required" in refused.value.stderr.lower()
    assert "could not install what is pinned" in refused.value.stderr
    (tmp_path / ".venv" / "bin" / "python").unlink()
    (tmp_path / "requirements.txt").write_text("# changed\n")
    assert set_up()[0].startswith("creating .venv")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the code that migrations are made from, to be spoiled."""
    for name in ("apps", "intelgraph", "scripts"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "manage.py", tmp_path)
    return tmp_path


def lint_migrations(project: Path) -> "subprocess.CompletedProcess[str]":
    """Run the check on a copy, with the suite's own database."""
    command = [sys.executable, "-m", "scripts.lint_migrations"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_a_model_without_its_migration_is_refused(copy: Path) -> None:
    models = copy / "apps" / "quotas" / "models.py"
    text = models.read_text()
    place = re.search(r"^class \w+\(.*\):\n(    \"\"\"(?:.|\n)*?\"\"\"\n)?", text, flags=re.M)
    assert place is not None
    models.write_text(f"{text[: place.end()]}    added = models.IntegerField(null=True)\n{text[place.end() :]}")
    done = lint_migrations(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a model has no migration" in done.stderr


def test_a_migration_that_breaks_running_code_is_refused(copy: Path) -> None:
    folder = copy / "apps" / "quotas" / "migrations"
    last = sorted(path.stem for path in folder.glob("0*.py"))[-1]
    (folder / "9999_unsafe.py").write_text(
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        f"    dependencies = [('quotas', '{last}')]\n"
        "    operations = [migrations.RunSQL('ALTER TABLE quotas_rule DROP COLUMN id', 'SELECT 1')]\n"
    )
    done = lint_migrations(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "DROPPING columns" in done.stdout
