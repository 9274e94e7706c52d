"""Compiled selections write what resolvers write, for every kind of change and reader, or leave it to them."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from apps.core.context import Actor, ActorKind, Context
from apps.core.ids import new_id
from apps.gateway.call import Call
from apps.gateway.engine import Engine, Prepared
from apps.gateway.parameters import Parameters
from apps.gateway.realtime.selections import compiled
from apps.gateway.realtime.shapes import Pushed, Shape, Source
from apps.gateway.realtime.wire import Change
from apps.gateway.schema import schema

NODE = "id kind externalId properties dataClass retentionTier redactionPolicy purposes licence version updatedAt withheld withheldReason"
ENTITY = f"{NODE} name source region createdAt eventId publishedAt __typename"
EDGE = f"{NODE} source target origin __typename"
ASSET = "subscription { assetUpdated(tenantId: 1, id: 2) { %s } }"
CHANGES = "subscription { all: changes(tenantId: 1) { %s } }"
COMPILED = [
    ASSET % ENTITY,
    ASSET % "name",
    ASSET % "n: name id again: name ... on Node { kind } ... { version } ...F"
    + " fragment F on Asset { region purposes }",
    "subscription ($y: Boolean! = true) { assetUpdated(tenantId: 1, id: 2) { id name @include(if: $y) kind @skip(if: $y) } }",
    CHANGES % f"eventId publishedAt refKind id op kind version __typename entity {{ {ENTITY} }} edge {{ {EDGE} }}",
    CHANGES % "eventId e: entity { name } d: edge { origin } other: entity { id }",
    CHANGES % "op entity { id } entity { name }",
    CHANGES % "version",
]
LEFT = [
    ASSET % "id outEdges { nodes { id } }",
    ASSET % "id history { version }",
    CHANGES % "edge { id sourceEntity { name } }",
    CHANGES % "entity { ... on Entity { inEdges(first: 1) { nodes { id } } } }",
]
PEOPLE = [
    Context(
        Actor(ActorKind.USER, str(new_id()), "a person"),
        tenant_id=new_id(),
        roles=frozenset({role}),
        purpose=purpose,
        request_id="req-1",
    )
    for role in ("reader", "owner")
    for purpose in (None, "investigation")
]


def document(kind: str, data_class: str, redaction: str, purposes: list[str]) -> dict[str, Any]:
    shared = {
        "id": "018f3c5e-7b1a-7c3d-9a7f-5b1e4c3d9a7f",
        "kind": kind,
        "externalId": "h-7 é",
        "properties": {"a": [1, None, {"b": "ü"}]},
        "dataClass": data_class,
        "retentionTier": "standard-365d",
        "redactionPolicy": redaction,
        "purposes": purposes,
        "subjectKeys": ["never shown"],
        "licence": "internal-use",
        "version": 3,
        "updatedAt": "2026-11-21T10:00:00.000000Z",
    }
    if kind == "owns":
        return {**shared, "source": "1", "target": "2", "origin": "a file"}
    return {**shared, "name": "Ada Lovelace", "source": "a file", "region": "eu-west-1"}


def changes() -> list[Change]:
    found = []
    tags = itertools.product(
        ("public", "internal", "personal", "sensitive"),
        ("none", "mask", "hash", "generalise", "drop"),
        ([], ["investigation"], ["fraud-risk"]),
    )
    for number, ((data_class, redaction, purposes), kind) in enumerate(itertools.product(tags, ("Asset", "owns")), 1):
        made = document(kind, data_class, redaction, purposes)
        ref = "edge" if kind == "owns" else "entity"
        about = (number, 0, f"{number}.0", ref, made["id"], "updated", 3, kind, "2026-11-21T10:00:01.000000Z")
        found.append(Change(*about, made, (data_class, redaction, tuple(purposes))))
    about = (999, 0, "999.0", "entity", "1", "deleted", 4, "Asset", "2026-11-21T10:00:01.000000Z")
    return [*found, Change(*about)]


def shape(query: str, ctx: Context) -> Shape:
    engine = Engine(schema.graphql_schema)
    prepared = asyncio.run(engine.prepare(Parameters(query), ctx))
    assert isinstance(prepared, Prepared), prepared
    return Shape(engine, prepared, ctx, Source(new_id(), "changes", lambda change: True))


def by_resolvers(shape: Shape, change: Change) -> dict[str, Any]:
    outcome = asyncio.run(shape.engine.execute(shape.prepared, Call.of(shape.ctx, "ws"), Pushed(change)))
    payload = outcome.payload()
    payload.pop("extensions")
    return payload


@pytest.mark.parametrize("query", COMPILED)
def test_what_is_compiled_is_what_resolvers_write(query: str) -> None:
    for ctx in PEOPLE:
        told = shape(query, ctx)
        seen = set()
        for change in changes():
            text = told.text(change)
            assert text is not None
            assert json.loads(text) == by_resolvers(told, change), change
            seen.add(text)
        assert len(seen) > 1, "different changes are told differently"


@pytest.mark.parametrize("query", LEFT)
def test_what_needs_resolvers_is_left_to_them(query: str) -> None:
    told = shape(query, PEOPLE[0])
    context = told.engine.context(told.prepared, Call.of(told.ctx, "ws"))
    assert not isinstance(context, list)
    assert compiled(context) is None
    assert told.text(changes()[0]) is None


def test_a_document_that_lacks_what_must_be_there_is_left_to_resolvers_who_say_so() -> None:
    told = shape(ASSET % "id name", PEOPLE[0])
    change = changes()[0]
    assert told.text(change) is not None
    assert change.document is not None
    change.document["name"] = None
    assert told.text(change) is None
    assert by_resolvers(told, change)["errors"]
    del change.document["name"]
    assert told.text(change) is None
