"""The pack: its own tests, the recorded cases, the same answers from Open Policy Agent, and proof that the tests bite."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.core import conf
from apps.policy import packs, proving, vectors
from apps.policy.engine import Engine, PolicyFault
from apps.policy.opa import Opa, OpaAway

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).with_name("vectors.json")
OPA_MODULE = "github.com/open-policy-agent/opa@v1.22.0"
BUILT_WITHIN_S = 900


def found_opa() -> str | None:
    """Return OPA's program: the one on the path, else one built from source once, where there is a Go compiler."""
    on_path = shutil.which("opa")
    go = shutil.which("go")
    if on_path or not go:
        return on_path
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "intelgraph-go"
    program = home / "bin" / "opa"
    if not program.exists():
        env = {**os.environ, "GOPATH": str(home), "GOBIN": str(home / "bin"), "GOFLAGS": "-mod=mod -modcacherw"}
        subprocess.run([go, "install", OPA_MODULE], env=env, check=False, timeout=BUILT_WITHIN_S, capture_output=True)
    return str(program) if program.exists() else None


@pytest.fixture(scope="module")
def opa() -> Iterator[str]:
    """Run a real OPA that holds the pack; its address."""
    program = found_opa()
    if program is None:
        pytest.skip("no Open Policy Agent: install `opa`, or Go to build it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", str(packs.SHIPPED)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                Opa(url).ask("data.ig.zt.allow", {})
                break
            except OpaAway:
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def cases() -> list[proving.Case]:
    return json.loads(CASES.read_text(encoding="utf-8"))


def test_the_packs_own_tests_hold() -> None:
    pack = packs.shipped()
    assert len(pack.test_rules()) >= 45
    assert list(proving.failing(pack)) == []


def test_the_recorded_cases_are_the_packs_answers() -> None:
    recorded = cases()
    assert len(recorded) > 500
    assert list(proving.differing(packs.shipped(), recorded)) == []
    assert {json.dumps(case["input"], sort_keys=True) for case in recorded} == {
        json.dumps(given, sort_keys=True) for _, given in vectors.questions(packs.shipped())
    }


def test_opa_answers_every_case_alike(
    opa: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = conf.read({**os.environ, "OPA_URL": opa})
    monkeypatch.setattr(conf, "get", lambda: settings)
    call_command("policy", "--json", "compare")
    said = json.loads(capsys.readouterr().out)
    assert said["cases"] == len(cases()) and said["differing"] == []


def test_a_difference_between_engines_is_told(opa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = conf.read({**os.environ, "OPA_URL": opa})
    monkeypatch.setattr(conf, "get", lambda: settings)
    wrong = {**cases()[0], "result": {"allow": "perhaps"}}
    path = tmp_path / "cases.json"
    path.write_text(json.dumps([wrong]))
    with pytest.raises(CommandError, match="the engines differ"):
        call_command("policy", "compare", "--cases", str(path))


def test_opas_own_checks_pass(opa: str) -> None:
    program = found_opa()
    assert program is not None
    for command in (["check", "--strict"], ["test"], ["fmt", "--list", "--fail"]):
        done = subprocess.run([program, *command, str(packs.SHIPPED)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    covered = subprocess.run(
        [program, "test", "--coverage", "--threshold", "90", str(packs.SHIPPED)], capture_output=True, timeout=60
    )
    assert covered.returncode == 0
    figure = json.loads(covered.stdout)["coverage"]
    sys.stdout.write(f"OPA: {figure:.1f} % of the pack's lines are covered\n")


def test_every_rule_is_needed_and_most_changes_are_noticed() -> None:
    proof = proving.prove(packs.SHIPPED, CASES)
    sys.stdout.write(
        f"{proof.coverage:.1f} % of {proof.rules} rules, {proof.mutation:.1f} % of {proof.mutants} changes\n"
    )
    assert proof.rules > 60 and proof.mutants > 150
    assert proof.coverage == 100, proof.rules_unnoticed
    assert proof.mutation >= 95, [(one.path, one.line, one.change) for one in proof.mutants_unnoticed]


def test_a_broken_pack_proves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "pack"
    shutil.copytree(packs.SHIPPED, broken)
    rego = broken / "ig/zt/zt.rego"
    rego.write_text(rego.read_text().replace('f.device == "untrusted"', 'f.device == "trusted"'))
    with pytest.raises(PolicyFault):
        proving.prove(broken, CASES)
    with pytest.raises(CommandError, match="does not pass"):
        call_command("policy", "check", "--pack", str(broken))


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({}, "no Rego module"),
        ({"a.rego": "x := 1\n"}, "declares no package"),
        ({"a.rego": "package a\n", "data.json": "{"}, "data.json"),
        ({"a.rego": "package a\n", "data.json": "{}", "b/data.json": "{}"}, "2 data.json"),
    ],
)
def test_what_is_no_pack_is_told(tmp_path: Path, files: dict[str, str], fault: str) -> None:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    with pytest.raises(packs.PackFault, match=fault):
        packs.load(tmp_path)


def test_a_pack_that_does_not_compile_is_no_engine(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_text("package a\n\nx if {\n")
    with pytest.raises(PolicyFault):
        Engine(packs.load(tmp_path), ("a/x",))


def test_the_revision_is_of_rules_and_data_not_of_tests() -> None:
    pack = packs.shipped()
    other = pack.without("ig/zt/zt.rego", pack.modules["ig/zt/zt.rego"] + "\n# a word\n")
    assert other.revision != pack.revision
    assert packs.load(packs.SHIPPED).revision == pack.revision
