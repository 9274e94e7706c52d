"""Compiled operations answer as resolvers do, or leave it to them."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from apps.core.context import Actor, ActorKind, Context
from apps.core.scope import no_scope, tenant_scope
from apps.gateway import threads
from apps.gateway.answers import encode
from apps.gateway.call import Call
from apps.gateway.engine import Engine, Prepared
from apps.gateway.parameters import Parameters
from apps.gateway.schema import schema
from apps.graph import services as graph
from apps.graph.models import Entity
from apps.graph.types import EntityInput
from tests.conftest import TenantKit, make_tenant

ALL = (
    "id kind externalId name properties dataClass retentionTier redactionPolicy purposes licence source region version"
    " createdAt updatedAt withheld withheldReason eventId publishedAt __typename"
)
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor __typename } withheldCount errors { message } __typename"
DOCUMENTS = [
    f"query Q($id: ID!) {{ entity(id: $id) {{ {ALL} }} }}",
    "query Q($id: ID!) { e: entity(id: $id) { n: name id k: kind } v: apiVersion }",
    "query Q($id: ID!) { asset(id: $id) { id name } }",
    "query Q($id: ID!) { asset(id: $id) { ...F } } fragment F on Node { id name properties }",
    "query Q($id: ID!) { entity(id: $id) { ... on Entity { id } ... { name } ...F } } fragment F on Entity { kind }",
    f"{{ entities(first: 3) {{ nodes {{ {ALL} }} {PAGE} }} }}",
    f"{{ entities(first: 500) {{ edges {{ cursor node {{ {ALL} }} __typename }} totalCount totalIsEstimate {PAGE} }} }}",
    "query Q($n: Int = 2, $after: String) { entities(first: $n, after: $after) { nodes { id name } pageInfo { endCursor } } }",
    '{ entities(kind: "Asset") { nodes { name } totalCount } }',
    '{ entities(kind: "none of it") { nodes { id } totalCount pageInfo { startCursor } } }',
    "{ entities { totalCount } other: entities(first: 1) { withheldCount } }",
]
LEFT = [
    "mutation { deleteEntities(ids: []) { deleted } }",
    "{ me { id } }",
    "query Q($id: ID!) { entity(id: $id) { id outEdges { nodes { id } } } }",
    "query Q($id: ID!) { entity(id: $id) { id @include(if: true) } }",
    "{ entities(first: 1) { nodes { id } edges { node { id } } } }",
    "{ entities { nodes { id } nodes { name } } }",
    "{ graphSummary { entityCount } }",
    "{ __typename }",
    "{ entities(first: 1) { nodes { ... on Node { __typename ... on Entity { inEdges { nodes { id } } } } } } }",
]
NOT_NOW: list[tuple[str, dict[str, Any]]] = [
    ("query Q($id: ID!) { entity(id: $id) { id } }", {"id": "nonsense"}),
    ("query Q($id: ID!) { entity(id: $id) { id } }", {}),
    ("query Q($n: Int) { entities(first: $n) { nodes { id } } }", {"n": 0}),
    ("query Q($n: Int) { entities(first: $n) { nodes { id } } }", {"n": 100_000}),
    ("query Q($n: Int) { entities(first: $n) { nodes { id } } }", {"n": "many"}),
    ("query Q($a: String) { entities(after: $a) { nodes { id } } }", {"a": "nonsense"}),
    ("query Q($k: String) { entities(kind: $k) { nodes { id } } }", {"k": "a\x00b"}),
    ("query Q($f: JSON) { entities(filters: $f) { nodes { id } } }", {"f": {"nope": 1}}),
    ("query Q($f: JSON) { entities(filters: $f) { nodes { id } } }", {"f": {"name": "clear"}}),
]


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    """A tenant with one entity of each way to be shown."""
    kit = make_tenant()
    with no_scope(), tenant_scope(kit.info.id):
        graph.upsert_entities(
            kit.ctx,
            inputs=[
                EntityInput(
                    "Asset", "a1", name="clear", properties={"n": 1, "ü": ["x", None, 1.5]}, data_class="public"
                ),
                EntityInput("Person", "p1", name="Personal", properties={"born": "1970-01-02"}, data_class="personal"),
                EntityInput("Person", "p2", name="Hashed", data_class="personal", redaction_policy="hash"),
                EntityInput("Person", "p3", name="Dropped", data_class="confidential", redaction_policy="drop"),
                EntityInput("Person", "p4", name="Sensitive", data_class="sensitive"),
                EntityInput("Person", "p5", name="For others", data_class="public", purposes=["billing"]),
                EntityInput("Person", "p6", name="For us", data_class="public", purposes=["investigation", "x"]),
                EntityInput("Report", "r1", name="", properties={}, licence="CC", source="s"),
            ],
        )
    return kit


@pytest.fixture
def engine() -> Iterator[Engine]:
    yield Engine(schema.graphql_schema)


def contexts(kit: TenantKit) -> dict[str, Context]:
    person = Actor(ActorKind.USER, "01980000-0000-7000-8000-000000000001", "someone")
    owner = kit.ctx.but(actor=person, roles=frozenset({"owner"}), purpose="investigation")
    return {
        "owner": owner,
        "reader": owner.but(roles=frozenset({"reader"})),
        "no purpose": owner.but(purpose=None),
        "nobody": owner.but(roles=frozenset()),
    }


async def both(engine: Engine, ctx: Context, query: str, variables: dict[str, Any]) -> tuple[Any, Any]:
    """Return what the plan gives (None: left to resolvers) and what resolvers give, as the client would read them."""
    parameters = Parameters(query, None, variables)
    prepared = await engine.prepare(parameters, ctx)
    assert isinstance(prepared, Prepared), prepared
    slow = orjson.loads(encode((await engine.execute(prepared, Call.of(ctx))).payload()))
    planned = engine.planned(parameters)
    if planned is None:
        return None, slow
    fast = await threads.run(ctx, engine.run_plan, planned, ctx)
    return None if fast is None else orjson.loads(encode(fast.payload())), slow


def ids(kit: TenantKit) -> list[str]:
    with no_scope(), tenant_scope(kit.info.id):
        return [str(found) for found in Entity.objects.order_by("id").values_list("id", flat=True)]


@pytest.mark.parametrize("query", DOCUMENTS)
@pytest.mark.parametrize("who", ["owner", "reader", "no purpose"])
def test_a_plan_answers_as_resolvers_do(engine: Engine, kit: TenantKit, query: str, who: str) -> None:
    wanted = [*ids(kit), "01980000-0000-7000-8000-000000000000"] if "$id" in query else [""]

    async def compare() -> None:
        for id_ in wanted:
            fast, slow = await both(engine, contexts(kit)[who], query, {"id": id_} if id_ else {})
            assert fast is not None
            assert fast == slow
            assert "errors" not in slow
            if who == "reader" and "Hashed" in str(slow):
                raise AssertionError("the reader sees what is personal")
            assert list(fast["data"]) == list(slow["data"])

    asyncio.run(compare())


def test_keys_come_in_the_order_of_the_document(engine: Engine, kit: TenantKit) -> None:
    async def compare() -> None:
        query = "{ entities(first: 1) { totalCount nodes { name id __typename kind } } }"
        fast, slow = await both(engine, contexts(kit)["owner"], query, {})
        assert json.dumps(fast["data"]) == json.dumps(slow["data"])

    asyncio.run(compare())


def test_pages_follow_each_other(engine: Engine, kit: TenantKit) -> None:
    async def walk() -> None:
        seen: list[str] = []
        after: str | None = None
        while True:
            query = "query Q($a: String) { entities(first: 3, after: $a) { nodes { id } pageInfo { endCursor hasNextPage } } }"
            fast, slow = await both(engine, contexts(kit)["owner"], query, {"a": after})
            assert fast == slow
            page = fast["data"]["entities"]
            seen += [node["id"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert len(seen) == len(set(seen)) >= 6

    asyncio.run(walk())


@pytest.mark.parametrize("query", LEFT)
def test_what_needs_resolvers_has_no_plan(engine: Engine, kit: TenantKit, query: str) -> None:
    async def look() -> None:
        ctx = contexts(kit)["owner"]
        parameters = Parameters(query, None, {"id": "x"})
        assert isinstance(await engine.prepare(parameters, ctx), Prepared)
        assert engine.planned(parameters) is None

    asyncio.run(look())


@pytest.mark.parametrize(("query", "variables"), NOT_NOW)
def test_what_is_out_of_the_ordinary_is_left_to_resolvers(
    engine: Engine, kit: TenantKit, query: str, variables: dict[str, Any]
) -> None:
    async def look() -> None:
        parameters = Parameters(query, None, variables)
        ctx = contexts(kit)["owner"]
        await engine.prepare(parameters, ctx)
        planned = engine.planned(parameters)
        assert planned is not None
        assert await threads.run(ctx, engine.run_plan, planned, ctx) is None

    asyncio.run(look())


def test_policy_is_asked(engine: Engine, kit: TenantKit) -> None:
    async def look() -> None:
        fast, slow = await both(engine, contexts(kit)["nobody"], "{ entities { nodes { id } } }", {})
        assert fast is None
        assert slow["errors"][0]["extensions"]["code"] == "FORBIDDEN"

    asyncio.run(look())


def test_nobody_makes_us_read_a_document_that_was_not_read(engine: Engine) -> None:
    assert engine.planned(Parameters("{ entities { nodes { id } } }")) is None
    assert len(engine.documents) == 0


def test_another_tenants_entity_is_not_found(engine: Engine, kit: TenantKit) -> None:
    other, foreign = make_tenant(), ids(kit)

    async def look() -> None:
        query = "query Q($id: ID!) { entity(id: $id) { id name } }"
        for id_ in foreign:
            fast, slow = await both(engine, contexts(other)["owner"], query, {"id": id_})
            assert fast == slow == {**slow, "data": {"entity": None}}

    asyncio.run(look())
