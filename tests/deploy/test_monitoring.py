"""Rules, dashboards and triggers name figures that the code declares; each alert has its tests and its section."""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = sorted((DEPLOY / "prometheus").glob("*.rules.yaml"))
RULE_TESTS = sorted((DEPLOY / "prometheus/tests").glob("*.test.yaml"))
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
RUNBOOKS = (ROOT / "docs/operate/runbooks.md").read_text(encoding="utf-8")
DECLARED = re.compile(r'(?:Counter|Gauge|Histogram|GaugeMetricFamily|InfoMetricFamily|_gauge)\(\s*"(ig_\w+)"')


def rules() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def declared() -> set[str]:
    """Return every name that a figure or its parts go by."""
    found: set[str] = set()
    for path in (ROOT / "apps").rglob("*.py"):
        found.update(DECLARED.findall(path.read_text(encoding="utf-8")))
    parts = {f"{name}{part}" for name in found for part in ("", "_bucket", "_sum", "_count", "_info")}
    return parts | {rule["record"] for rule in rules() if "record" in rule}


def expressions() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.name} / {panel['title']}", target["expr"]
    scaling = (DEPLOY / "chart/templates/scaling.yaml").read_text(encoding="utf-8")
    for query in re.findall(r"query: '(.+)'", scaling):
        yield "scaling.yaml", query


def test_every_named_figure_is_declared() -> None:
    known = declared()
    asked = [(where, name) for where, text in expressions() for name in re.findall(r"\big[_:][\w:]+", text)]
    assert len(asked) > 100
    assert [(where, name) for where, name in asked if name not in known] == []


def test_no_figure_has_a_label_that_prometheus_gives_itself() -> None:
    """Such a label is renamed to `exported_…` when it is scraped: rules and panels would tell apart something else."""
    given = {"job", "instance", "namespace", "pod", "container", "endpoint", "service", "node"}
    labels: dict[str, set[str]] = {}
    for path in (ROOT / "apps").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            given_to = [*call.args, *(keyword.value for keyword in call.keywords)]
            names = [each.value for each in given_to if isinstance(each, ast.Constant)]
            for each in given_to:
                if isinstance(each, ast.List) and str(names[:1]).startswith("['ig_"):
                    found = {part.value for part in each.elts if isinstance(part, ast.Constant)}
                    labels.setdefault(str(names[0]), set()).update(map(str, found))
    assert len(labels) > 30 and labels["ig_job_duration_seconds"] == {"task", "outcome"}
    assert {name: found & given for name, found in labels.items() if found & given} == {}


def test_the_triggers_ask_for_something() -> None:
    assert sum(where == "scaling.yaml" for where, _ in expressions()) == 4


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_is_whole(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"] and rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/operate/runbooks.md#{name.lower()}"
    section = re.search(rf"^### {name}\n(.+?)(?=^##|\Z)", RUNBOOKS, re.M | re.S)
    assert section is not None, "write a section into docs/operate/runbooks.md"
    for part in ("**Means.**", "**Look.**", "**Mend.**"):
        assert part in section[1]


def test_each_alert_is_seen_to_fire_and_to_stay_quiet() -> None:
    fires, quiet = set(), set()
    for path in RULE_TESTS:
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for check in case.get("alert_rule_test", ()):
                (fires if check["exp_alerts"] else quiet).add(check["alertname"])
    assert fires == set(ALERTS)
    assert quiet == set(ALERTS)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_explains_its_panels(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    panels = board["panels"]
    assert board["uid"] and board["title"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert [panel["title"] for panel in panels if panel["type"] != "row" and not panel["description"]] == []


def test_promtool_agrees() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine")
    for verb, paths in (("check", RULES), ("test", RULE_TESTS)):
        done = subprocess.run([promtool, verb, "rules", *map(str, paths)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
