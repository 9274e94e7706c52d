"""The engine in this process: how many queries an operation costs, what errors tell, that every field is guarded."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType

from apps.core.context import Context
from apps.core.postgresql.base import DatabaseWrapper
from apps.core.sockets import ACTIONS
from apps.gateway.call import Call
from apps.gateway.engine import Engine, Prepared
from apps.gateway.parameters import Parameters
from apps.gateway.schema import schema
from apps.gateway.sdl import present_sdl
from apps.graph import selectors, services
from apps.graph.types import EdgeInput, EntityInput
from apps.policy.selectors import open_actions
from apps.policy.types import Action
from intelgraph.settings import BASE_DIR
from tests.conftest import TenantKit


@pytest.fixture
def engine() -> Engine:
    return Engine(schema.graphql_schema)


BACKGROUND = {"decisions", "flags", "key-uses"}
"""Threads that read and write on their own time."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that any connection of this process sends for a request."""
    sent: list[str] = []
    monkeypatch.setattr(DatabaseWrapper, "enter_scope", _counting(DatabaseWrapper.enter_scope, sent))
    yield sent


def _counting(original: Any, sent: list[str]) -> Any:
    def enter_scope(self: Any) -> None:
        if threading.current_thread().name not in BACKGROUND:
            sent.append("statement")
        original(self)

    return enter_scope


def run(engine: Engine, ctx: Context, query: str, **variables: Any) -> dict[str, Any]:
    """Run an operation on an event loop of its own; return the response map."""

    async def operate() -> dict[str, Any]:
        prepared = await engine.prepare(Parameters(query, variables=variables), ctx)
        assert isinstance(prepared, Prepared), prepared
        return (await engine.execute(prepared, Call.of(ctx))).payload()

    return asyncio.run(operate())


def grow(ctx: Context, hubs: int, spokes: int) -> None:
    """Write `hubs` entities that each point to `spokes` others."""
    names = [EntityInput("Hub", f"h{n}") for n in range(hubs)] + [EntityInput("Spoke", f"s{n}") for n in range(spokes)]
    services.upsert_entities(ctx, inputs=names)
    services.upsert_edges(
        ctx,
        inputs=[
            EdgeInput(
                "HOLDS", source_kind="Hub", source_external_id=f"h{h}", target_kind="Spoke", target_external_id=f"s{s}"
            )
            for h in range(hubs)
            for s in range(spokes)
        ],
    )


WIDE = """query ($first: Int) { entities(kind: "Hub", first: $first) { nodes { name
  outEdges(first: 5) { nodes { kind targetEntity { name inEdges(first: 3) { nodes { sourceEntity { name } } } } } } } } }"""


def test_an_operation_costs_as_many_queries_for_many_rows_as_for_few(
    tenant: TenantKit, engine: Engine, statements: list[str]
) -> None:
    grow(tenant.ctx, 20, 5)
    costs = []
    for first in (1, 5, 20):
        statements.clear()
        answer = run(engine, tenant.ctx, WIDE, first=first)
        assert "errors" not in answer, answer
        nodes = answer["data"]["entities"]["nodes"]
        assert len(nodes) == first
        assert len(nodes[0]["outEdges"]["nodes"]) == 5
        costs.append(len(statements))
    assert costs[0] == costs[1] == costs[2] <= 5


def test_totals_are_counted_when_asked_for_only(tenant: TenantKit, engine: Engine, statements: list[str]) -> None:
    grow(tenant.ctx, 3, 1)
    statements.clear()
    run(engine, tenant.ctx, "{ entities { nodes { id } } }")
    without = len(statements)
    statements.clear()
    run(engine, tenant.ctx, "{ entities { nodes { id } totalCount } }")
    assert len(statements) == without + 1


def test_an_unforeseen_error_tells_the_request_and_nothing_else(
    tenant: TenantKit, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("password=hunter2 in row 17")

    monkeypatch.setattr(selectors, "graph_summary", broken)
    ctx = tenant.ctx.but(request_id="request-17")
    answer = run(engine, ctx, "{ graphSummary { entityCount } }")
    assert answer["data"] is None
    error = answer["errors"][0]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "request-17"}
    assert "hunter2" not in str(answer)


def test_an_operation_that_takes_too_long_is_stopped(
    tenant: TenantKit, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(self: Any, id_: Any) -> None:
        await asyncio.sleep(5)

    monkeypatch.setattr("apps.gateway.engine.EXECUTION_SECONDS", 0.05)
    monkeypatch.setattr("apps.gateway.loaders.Loaders.entity", slow)
    answer = run(engine, tenant.ctx, '{ entity(id: "01990000-0000-7000-8000-000000000001") { id } }')
    assert answer["errors"][0]["extensions"]["code"] == "TOO_COMPLEX"


def test_variables_that_do_not_fit_never_run(tenant: TenantKit, engine: Engine) -> None:
    answer = run(engine, tenant.ctx, "query ($id: ID!) { entity(id: $id) { id } }", id=None)
    assert "data" not in answer
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_the_committed_schema_is_the_present_one() -> None:
    assert (BASE_DIR / "schema.graphql").read_text(encoding="utf-8") == present_sdl()


PROMISED = """
Query.apiVersion String! / Query.me Viewer! / Query.asset(id: ID!) Asset / Query.entity(id: ID!) Entity
Query.entities(kind: String, filters: JSON, first: Int = 50, after: String) EntityConnection!
Query.neighborhood(id: ID!, hops: Int = 1, kinds: [String!], first: Int = 200) Subgraph!
Query.search(q: String!, filters: JSON, after: String, first: Int = 20) SearchResult! / Query.graphSummary GraphSummary!
Mutation.upsertEntities(input: [EntityInput!]!) UpsertResult! / Mutation.upsertEdges(input: [EdgeInput!]!) UpsertResult!
Mutation.deleteEntities(ids: [ID!]!) DeleteResult! / Subscription.assetUpdated(tenantId: ID!, id: ID!) Asset
Mutation.requestErasure(subjectId: String!, scope: ErasureScope!) ErasureRequest!
Subscription.changes(tenantId: ID!, kinds: [String!], since: String) Change!
"""


@pytest.mark.parametrize("promise", [p.strip() for line in PROMISED.strip().splitlines() for p in line.split(" / ")])
def test_the_slice_that_every_release_keeps(promise: str) -> None:
    head, _, type_ = promise.rpartition(" ")
    owner, _, rest = head.partition(".")
    name, _, arguments = rest.partition("(")
    field = schema.graphql_schema.type_map[owner].fields[name]  # type: ignore[attr-defined]
    assert str(field.type) == type_
    shown = {
        f"{key}: {argument.type}" + (f" = {argument.default_value}" if isinstance(argument.default_value, int) else "")
        for key, argument in field.args.items()
    }
    promised = {part for part in arguments.rstrip(")").split(", ") if part}
    assert promised <= shown
    assert not any(each.endswith("!") for each in shown - promised), "what is added must be optional"


def test_every_root_field_is_guarded_by_a_known_action() -> None:
    g = schema.graphql_schema
    for root in (g.query_type, g.mutation_type, g.subscription_type):
        assert isinstance(root, GraphQLObjectType)
        for name, field in root.fields.items():
            guard = field.subscribe if root is g.subscription_type else field.resolve
            action = getattr(guard, "action", None)
            assert action, f"{root.name}.{name} is not guarded"
            assert action in frozenset().union(*open_actions()) or isinstance(ACTIONS.get(action), Action)


def test_lists_never_hold_holes() -> None:
    """A hole in a list would tell that something was withheld there."""
    for type_ in schema.graphql_schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, field in type_.fields.items():
                inner = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
                if hasattr(inner, "of_type"):
                    assert isinstance(inner.of_type, GraphQLNonNull), f"{type_.name}.{name}"
