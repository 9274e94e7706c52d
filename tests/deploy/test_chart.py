"""The Helm chart names settings that exist, starts what is started elsewhere, and takes no odd values."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from apps.core import conf
from apps.gateway.ws_line import CLOSE_S
from intelgraph.embedded.specs import WEB_OPTIONS

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/chart"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
TEMPLATES = {path.name: path.read_text(encoding="utf-8") for path in (CHART / "templates").iterdir()}
OPTIONS = {option.name: option for option in conf.OPTIONS}
SETTINGS = set(SCHEMA["properties"]["settings"]["properties"])
SECRETS = set(SCHEMA["properties"]["secrets"]["properties"]["keys"]["items"]["enum"])


def test_values_fit_their_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"replicaCount": 3},
        {"web": {**VALUES["web"], "replicas": "three"}},
        {"image": {**VALUES["image"], "digest": "latest"}},
        {"settings": {**VALUES["settings"], "IG_BASE_URL": "http://plain.example"}},
        {"settings": {**VALUES["settings"], "SECRET_KEY": "in the clear"}},
        {"settings": {**VALUES["settings"], "IG_UNKNOWN": "1"}},
        {"secrets": {**VALUES["secrets"], "keys": ["SECRET_KEY"]}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_odd_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, **change}, SCHEMA)


def test_every_setting_has_a_place_and_secrets_have_another() -> None:
    fixed = {"IG_MODE", "IG_VAR", "IG_SIDE_LISTEN", "DATABASE_OWNER_URL"}
    assert SETTINGS | SECRETS | fixed == set(OPTIONS), "write the new setting into values.schema.json"
    assert not SETTINGS & SECRETS
    assert {name for name in SETTINGS if OPTIONS[name].secret} == {"IG_SIGNING_KEY"}, "it names a file, or a command"


def test_what_production_needs_is_given() -> None:
    given = {*VALUES["settings"], *VALUES["secrets"]["keys"], "IG_MODE"}
    assert {option.name for option in conf.OPTIONS if option.required} <= given


def test_names_in_templates_are_settings() -> None:
    named = set(re.findall(r"\{name: ([A-Z][A-Z_]+), value:", TEMPLATES["_helpers.tpl"]))
    assert named - {"PYTHONDONTWRITEBYTECODE"} == {"IG_MODE", "IG_VAR", "IG_SIDE_LISTEN", "DATABASE_OWNER_URL_FILE"}
    assert "secretKeyRef" not in "".join(TEMPLATES.values()), "secrets are files"


def test_web_starts_as_it_does_everywhere() -> None:
    line = re.search(r'\$web := "([^"]+)"', TEMPLATES["deployments.yaml"])
    assert line is not None
    words = line[1].split()
    its_own = {"--host", "127.0.0.1", "--timeout-graceful-shutdown", "3"}
    assert [word for word in WEB_OPTIONS if word not in words] == [w for w in WEB_OPTIONS if w in its_own - {*words}]
    graceful = int(words[words.index("--timeout-graceful-shutdown") + 1])
    assert SCHEMA["properties"]["web"]["properties"]["terminationGracePeriodSeconds"]["minimum"] >= graceful + 10
    # Live connections are told to come back, and have read it, before the server cuts them off.
    assert int(VALUES["settings"]["IG_DRAIN_S"]) + CLOSE_S < graceful
    own = int(WEB_OPTIONS[WEB_OPTIONS.index("--timeout-graceful-shutdown") + 1])
    assert int(OPTIONS["IG_DRAIN_S"].default) < own


@pytest.mark.parametrize("values", [None, "plain-values.yaml"])
def test_the_chart_renders(values: str | None) -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("no Helm on this machine")
    extra = ["--values", str(CHART / "ci" / values)] if values else []
    done = subprocess.run(
        [helm, "template", "suite", str(CHART), "--namespace", "suite", *extra],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    kinds = [document["kind"] for document in yaml.safe_load_all(done.stdout) if document]
    assert kinds.count("Deployment") == 4
    assert kinds.count("ScaledObject") == (0 if values else 2)
