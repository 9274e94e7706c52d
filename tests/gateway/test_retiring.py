"""What an operation uses of the deprecated is said in headers, and the SDL says what policy is asked for."""

import pytest
from graphql import build_schema, parse

from apps.gateway import documents, retiring
from apps.gateway.documents import DocumentCache
from apps.gateway.limits import Limits
from apps.gateway.schema import schema
from apps.gateway.sdl import actions_of, present_sdl

OLD = build_schema(
    """
    enum Colour { RED  BLUE @deprecated(reason: "Use RED. Since: 2026-02-01 Sunset: 2026-12-01") }
    input Filter { colour: Colour, shade: Int @deprecated(reason: "Gone soon. Since: 2026-03-01 Sunset: 2027-01-01") }
    type Thing { id: ID!, label: String @deprecated(reason: "Use name. Since: 2026-01-15 Sunset: 2027-06-01") name: String }
    type Query {
      thing(id: ID, key: String @deprecated(reason: "Use id. Since: 2026-04-01 Sunset: 2027-02-01")): Thing
      things(filter: Filter): [Thing!]!
    }
    """
)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{ thing(id: 1) { id name } }", set()),
        ("{ thing(id: 1) { label } }", {"Thing.label"}),
        ('{ thing(key: "a") { id } }', {"Query.thing(key)"}),
        ("{ things(filter: {shade: 1, colour: BLUE}) { id } }", {"Filter.shade", "Colour.BLUE"}),
        ("{ things { ...f } } fragment f on Thing { label }", {"Thing.label"}),
    ],
)
def test_everything_deprecated_that_a_document_names_is_found(text: str, places: set[str]) -> None:
    assert set(retiring.used(OLD, parse(text))) == places


def test_the_headers_are_those_of_the_standards() -> None:
    told = retiring.headers(retiring.used(OLD, parse('{ thing(key: "a") { label } }')))
    assert told["x-ig-deprecations"] == "Query.thing(key); sunset=2027-02-01, Thing.label; sunset=2027-06-01"
    assert told["Deprecation"] == "@1768435200"  # 2026-01-15, RFC 9745
    assert told["Sunset"] == "Mon, 01 Feb 2027 00:00:00 GMT"  # RFC 8594
    assert 'rel="deprecation"' in told["Link"]
    assert retiring.headers({}) == {}


def test_a_reason_without_days_is_told_without_them() -> None:
    undated = build_schema('type Query { a: Int @deprecated(reason: "Old.") }')
    told = retiring.headers(retiring.used(undated, parse("{ a }")))
    assert told == {"x-ig-deprecations": "Query.a; sunset=unknown", "Link": retiring.LINK}


def test_a_document_that_was_read_keeps_its_headers() -> None:
    cache = DocumentCache(OLD, Limits())
    cache.get("{ thing(id: 1) { label } }")
    assert "Sunset" in cache.retiring("{ thing(id: 1) { label } }")
    assert cache.retiring("{ never { read } }") == {}
    assert documents.read("{ things { id } }", OLD, Limits()).retiring == {}


def test_the_sdl_says_what_policy_is_asked_for() -> None:
    sdl = present_sdl()
    said = build_schema(sdl)
    directive = said.get_directive("auth")
    assert directive is not None and set(directive.args) == {"abac"}
    actions = actions_of(schema.graphql_schema)
    assert actions["Query", "entity"] == "graph.entity.read"
    for (owner, name), action in actions.items():
        field = said.type_map[owner].fields[name].ast_node  # type: ignore[attr-defined]
        assert [node.arguments[0].value.value for node in field.directives if node.name.value == "auth"] == [action]
