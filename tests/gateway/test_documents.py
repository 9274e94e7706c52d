"""Documents: parsed and validated once, measured before validation, refused with the limit's name."""

import time

import pytest
from graphql import build_schema

from apps.gateway.documents import Document, DocumentCache, Problem, read
from apps.gateway.limits import Limits, cost_of

SCHEMA = build_schema("""
  type Query { entity(id: ID): Entity entities(first: Int = 50): Connection! name: String }
  type Mutation { touch: String }
  type Entity { id: ID! name: String near(first: Int = 10): Connection! tags: [String!]! }
  type Connection { nodes: [Entity!]! totalCount: Int! }
""")
LIMITS = Limits(max_depth=8, max_aliases=5, max_tokens=400, max_fields=100, max_repeats=10, max_directives=20)


def refused(text: str, limits: Limits = LIMITS) -> Problem:
    document = read(text, SCHEMA, limits)
    assert len(document.problems) >= 1
    assert document.node is None
    return document.problems[0]


def cost(text: str, **variables: object) -> int:
    document = read(text, SCHEMA, Limits())
    assert document.node is not None, document.problems
    return cost_of(SCHEMA, document.node, document.operations[0], variables, 1000)


def test_a_valid_document_is_read_once() -> None:
    cache = DocumentCache(SCHEMA, LIMITS)
    first = cache.get("{ name }")
    assert cache.get("{ name }") is first
    assert (cache.hits, cache.misses) == (1, 1)
    assert first.problems == ()


def test_the_cache_is_bounded() -> None:
    cache = DocumentCache(SCHEMA, LIMITS, max_documents=10, max_characters=10_000)
    for number in range(50):
        cache.get(f"query Q{number} {{ name }}")
    assert len(cache) == 10
    assert "Q49" in cache.get("query Q49 { name }").text
    assert cache.hits == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ entity(id: {}) { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...A } fragment A on Query { ...A }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ ...Missing }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_faulty_documents(text: str, reason: str) -> None:
    problem = refused(text)
    assert (problem.code, problem.reason) == ("BAD_USER_INPUT", reason)
    assert problem.locations


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("{ entity { near { nodes { near { nodes { near { nodes { near { nodes { id } } } } } } } } } }", "depth"),
        ("{ a: name b: name c: name d: name e: name f: name }", "number of aliases"),
        ("{ " + "name " * 11 + "}", "repetition of 'name'"),
        ("{ " + " ".join(f"f{n}" for n in range(101)) + " }", "number of fields"),
        ("{ " + "name " * 500 + "}", "tokens"),
        ("{ name " + "@include(if: true) " * 21 + "}", "number of directives"),
        (" ".join(f"query Q{n} {{ name }}" for n in range(21)), "number of operations"),
        (
            "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }",
            "nesting of introspection lists",
        ),
    ],
)
def test_limits(text: str, limit: str) -> None:
    problem = refused(text)
    assert (problem.code, problem.details["limit"]) == ("TOO_COMPLEX", limit)


def test_length_is_limited_before_parsing() -> None:
    assert refused("{ name }" + " " * 100, Limits(max_characters=50)).details["limit"] == "length in characters"


def test_nesting_of_values_does_not_exhaust_the_stack() -> None:
    assert refused("{ entity(id: " + "[" * 3000 + "]" * 3000 + ") { id } }", Limits(max_tokens=10_000)).code in {
        "TOO_COMPLEX",
        "BAD_USER_INPUT",
    }


def test_fragments_that_double_count_in_full_and_fast() -> None:
    bomb = (
        "{ ...F0 } "
        + " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
        + " fragment F60 on Query { name }"
    )
    started = time.perf_counter()
    problem = refused(bomb, Limits())
    assert problem.details["limit"] == "number of fields"
    assert time.perf_counter() - started < 1.0


def test_depth_counts_through_fragments() -> None:
    text = "{ entity { ...A } } fragment A on Entity { near { nodes { ...B } } } fragment B on Entity { near { nodes { near { nodes { near { nodes { id } } } } } } }"
    assert refused(text).details["limit"] == "depth"


def test_the_usual_introspection_is_allowed() -> None:
    from graphql import get_introspection_query

    assert (
        read(get_introspection_query(descriptions=True, input_value_deprecation=True), SCHEMA, Limits()).problems == ()
    )


def test_operations_are_chosen_by_name() -> None:
    document = read("query A { name } mutation B { touch }", SCHEMA, LIMITS)
    assert isinstance(document.operation(None), Problem)
    assert isinstance(document.operation("C"), Problem)
    chosen = document.operation("B")
    assert not isinstance(chosen, Problem)
    assert chosen.operation.value == "mutation"
    assert isinstance(read("fragment A on Query { name }", SCHEMA, LIMITS), Document)


def test_cost_multiplies_by_page_size() -> None:
    assert cost("{ name }") == 1
    assert cost("{ entity { id name } }") == 3
    assert cost("{ entities(first: 10) { nodes { id } totalCount } }") == 1 + 1 + 10 * 1 + 1
    assert cost("{ entities { nodes { id } } }") == 1 + 1 + 50
    assert cost("query ($n: Int) { entities(first: $n) { nodes { id } } }", n=200) == 1 + 1 + 200
    assert cost("{ entities(first: 10) { nodes { near(first: 5) { nodes { id } } } } }") == 1 + 1 + 10 * (1 + 1 + 5)
    assert cost("{ entities(first: 999999999) { nodes { id } } }") == 1 + 1 + 1000


def test_cost_counts_fragments_each_time() -> None:
    assert cost("{ a: entity { ...F } b: entity { ...F } } fragment F on Entity { id name }") == 6
