"""Rule 2 of the house: of another app, only its front doors."""

import pathlib

import grimp
import pytest

DOORS = {"services", "selectors", "types", "events", "errors", "base"}
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("apps", "intelgraph", cache_dir=None)


def offences(graph: grimp.ImportGraph) -> list[str]:
    found = []
    for importer in sorted(graph.modules):
        parts = importer.split(".")
        if parts[0] != "apps" or len(parts) < 3:
            continue
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            other = imported.split(".")
            if other[0] != "apps" or len(other) < 3 or other[1] in {parts[1], "core"}:
                continue
            if other[2] not in DOORS:
                found.append(f"{importer} imports {imported}")
    return found


def test_only_front_doors_are_used(graph: grimp.ImportGraph) -> None:
    assert offences(graph) == []


def test_the_rule_notices_a_back_door(graph: grimp.ImportGraph) -> None:
    graph.add_module("apps.portal.sneaky")
    graph.add_import(importer="apps.portal.sneaky", imported="apps.graph.models")
    try:
        assert "apps.portal.sneaky imports apps.graph.models" in offences(graph)
    finally:
        graph.remove_module("apps.portal.sneaky")


def test_every_app_has_a_readme() -> None:
    missing = [p.name for p in (ROOT / "apps").iterdir() if (p / "apps.py").exists() and not (p / "README.md").exists()]
    assert missing == []


def test_the_command_line_tools_need_no_django(graph: grimp.ImportGraph) -> None:
    for module in ("apps.ledger.cli", "apps.ledger.verifier"):
        reached = graph.find_upstream_modules(module)
        assert not [name for name in reached if name.endswith((".models", ".services", ".selectors"))], module
