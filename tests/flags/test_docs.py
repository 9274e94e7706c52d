"""The page of flags: what it shows works, and its tables say what the code knows."""

import re
import shlex
from pathlib import Path

import pytest

from apps.flags import schema
from apps.flags.definition import parse
from apps.flags.registry import load, read_yaml
from apps.flags.types import Reason
from apps.gateway import ofrep
from tests.flags.documents import document
from tests.flags.test_expiry import manage

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/develop/flags.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_its_python_runs() -> None:
    assert len(blocks("python")) == 2
    for block in blocks("python"):
        exec(compile(block, "docs/develop/flags.md", "exec"), {})


def test_its_yaml_is_taken() -> None:
    registry, rules = blocks("yaml")
    assert set(load(registry.encode())) == {"subs.optimizedBuffer"}
    found = parse(document(rules=read_yaml(rules, "")["rules"]))
    assert (found.rules[1].salt, found.rules[1].by, len(found.rules)) == ("pilot-2026", "targetingKey", 2)


def test_its_commands_run() -> None:
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    assert len(commands) == 4
    for command in commands:
        program, *arguments = shlex.split(command)
        assert (program, arguments[:2]) == (".venv/bin/python", ["manage.py", "flags"])
        done = manage(*arguments[2:])
        assert done.returncode == 0, (command, done.stderr)


def test_its_fields_are_those_of_the_code() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE.split("## Declare")[1].split("A rule has")[0], re.M))
    assert named == set(schema.FLAG["properties"])
    reasons = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.M))
    assert reasons == {one.value for one in Reason} - {"ERROR"}


def test_its_bounds_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"at most {ofrep.MAX_ATTRIBUTES} attributes, {ofrep.MAX_BYTES >> 10} KiB, {ofrep.MAX_NODES:,} values" in text
    assert ofrep.MAX_DEPTH - 1 == 5


def test_the_demos_flags_are_one_of_each_type() -> None:
    found = load((ROOT / "fixtures/demo/flags.yaml").read_bytes())
    assert {one.type.value for one in found.values()} == {"boolean", "string", "integer", "float", "object"}


@pytest.mark.parametrize("page", ["docs/develop/add-an-app.md", "apps/flags/README.md"])
def test_what_the_check_list_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:apps|tests|scripts|docs|contracts|intelgraph|benchmarks)/[\w./-]+)`", text))
    assert named
    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []
