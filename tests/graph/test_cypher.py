"""The graph's walls: every statement names the tenant, and finds by key."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.graph.neo4j_store import Neo4jGraph, cypher, schema
from tests.graph.conftest import bring_up

ROOT = Path(cypher.__file__).resolve().parents[2]
LABELLED = re.compile(r"[(\[]\w*:(?:Entity|RELATES|Projection|Progress|Migration)\b(?P<rest>[^)\]]*)")

CYPHER = re.compile(r"\b(MATCH|MERGE|UNWIND)\b[^\n]*[(\[]\w*:\w+|\bDETACH DELETE\b")


def statements() -> Iterator[tuple[str, str]]:
    """Yield (name, statement) for everything that `cypher` offers."""
    for name, value in vars(cypher).items():
        if name.startswith("_") or not name.isupper():
            continue
        if isinstance(value, dict):
            yield from ((f"{name}[{key}]", statement) for key, statement in value.items())
        else:
            yield name, value


def offences(statement: str) -> list[str]:
    """Return what is wrong with a statement: no tenant, or a pattern that could match another tenant's."""
    found = [] if "$tenant" in statement else ["does not mention $tenant"]
    for pattern in LABELLED.finditer(statement):
        # A relation may go without when both its ends are tied to the tenant.
        tied = "{tenant: $tenant" in pattern["rest"]
        ends = re.search(
            r"\{tenant: \$tenant[^)]*\)\s*<?-" + re.escape(pattern[0]) + r"\]->?\(\w*:Entity \{tenant: \$tenant",
            statement,
        )
        if not tied and not ends:
            found.append(f"{pattern[0]} is not tied to the tenant")
    if re.search(r"%s|%\(|\{\w+!r\}", statement):
        found.append("holds a place for text that is no parameter")
    return found


def test_every_statement_is_tied_to_the_tenant() -> None:
    everything = dict(statements())
    assert len(everything) > 30
    assert {name: wrong for name, statement in everything.items() if (wrong := offences(statement))} == {}


@pytest.mark.parametrize(
    "statement",
    [
        "MATCH (n:Entity {id: $id}) RETURN n",
        "MATCH (n:Entity {id: $id}) WHERE $tenant IS NOT NULL RETURN n",
        "MATCH (a:Entity {tenant: $tenant, id: $id})-[r:RELATES]->(b:Entity) RETURN b.id",
        "MATCH ()-[r:RELATES]->() WHERE r.tenant = $tenant RETURN r",
        "MATCH (n:Entity {tenant: $tenant, id: '%s'}) RETURN n",
    ],
)
def test_the_rule_notices_a_hole(statement: str) -> None:
    assert offences(statement)


def test_cypher_is_written_in_one_place() -> None:
    """No other module of the product holds Cypher or the driver."""
    outside = []
    for path in sorted(ROOT.rglob("*.py")):
        if path.parent.name == "neo4j_store":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = (
                    [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                )
                outside += [str(path) for name in names if name.split(".")[0] == "neo4j"]
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and CYPHER.search(node.value):
                outside.append(f"{path}:{node.lineno}")
    assert outside == []


@pytest.mark.neo4j
def test_nothing_is_found_by_scanning(neo4j: Neo4jGraph, projector: object) -> None:
    bring_up(projector)  # the constraints must be there
    given = {
        "tenant": "t", "name": "n", "nodes": ["a"], "ids": ["a"], "candidates": ["a"], "others": ["b"], "start": "a",
        "end": "b", "kinds": None, "limit": 10, "rows": [{"id": "a", "kind": "k", "version": 1, "source": "a", "target": "b"}],
        "after": "", "upto": "z", "lease": "l", "position": 1, "hash": "", "rebuilding": [], "tenants": [], "newcomers": [],
        "number": 1, "phase": "", "graph_id": "g", "migration": "m", "checksum": "c", "applied_at": "now",
    }  # fmt: skip

    def operators(plan: dict) -> Iterator[str]:
        yield plan["operatorType"].split("@")[0]
        for child in plan.get("children", ()):
            yield from operators(child)

    scans: dict[str, list[str]] = {}
    with neo4j.session() as session:
        session.run("CALL db.awaitIndexes(60)").consume()
        for name, statement in statements():
            plan = session.run(f"EXPLAIN {statement}", given).consume().plan
            scanning = [operator for operator in operators(plan) if "Scan" in operator]
            if scanning:
                scans[name] = scanning
    # The few notes on schema changes are read whole.
    assert scans.keys() <= {"READ_MIGRATIONS"}, scans


def test_the_schema_reads_in_order_and_in_statements() -> None:
    migrations = schema.read()
    assert [migration.name for migration in migrations] == ["0001_keys"]
    assert all(statement.startswith("CREATE CONSTRAINT") for m in migrations for statement in m.statements)
    assert len(migrations[0].statements) == 5


@pytest.mark.parametrize("names", [["0002_late.cypher"], ["0001_a.cypher", "0001_b.cypher"], ["1_a.cypher"]])
def test_numbers_of_schema_files_neither_repeat_nor_skip(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("RETURN 1;", encoding="utf-8")
    with pytest.raises(ValueError, match="expected number"):
        schema.read(tmp_path)
