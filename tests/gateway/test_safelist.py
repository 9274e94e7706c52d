"""Persisted documents: by id, hash and text; and where nothing else runs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from apps.core.context import Context
from apps.gateway.answers import Outcome
from apps.gateway.engine import Engine, Prepared
from apps.gateway.management.commands.schema import manifest_file
from apps.gateway.parameters import BadRequest, Parameters, from_map, from_query_string
from apps.gateway.persisted import manifest, problems
from apps.gateway.safelist import Safelist, read_folder, safe_document
from apps.gateway.schema import schema
from apps.gateway.sdl import documents_folder, present_sdl, released_documents

SEARCH = released_documents().by_id["search:v1"]


def engine(only: bool = False) -> Engine:
    return Engine(schema.graphql_schema, safelist=released_documents(), safelist_only=only)


def prepare(made: Engine, **raw: Any) -> Prepared | Outcome:
    return asyncio.run(made.prepare(from_map(raw), Context()))


def code_of(outcome: Prepared | Outcome) -> str:
    assert isinstance(outcome, Outcome)
    return str(outcome.errors[0]["extensions"]["code"])


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        {"documentId": "search:v1"},
        {"id": "search:v1"},
        {"documentId": SEARCH.sha256},
        {"documentId": f"sha256:{SEARCH.sha256}"},
        {"query": SEARCH.text},
        {"query": SEARCH.text, "documentId": "search:v1"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": SEARCH.sha256}}},
    ],
)
def test_a_document_runs_under_each_of_its_names(only: bool, raw: dict[str, Any]) -> None:
    found = prepare(engine(only), **raw, variables={"q": "x"})
    assert isinstance(found, Prepared)
    assert found.document.text == SEARCH.text


@pytest.mark.parametrize("name", ["search:v2", "Search:v1", "0" * 64, "sha256:zz", "../search", "search"])
def test_unknown_names_are_told(name: str) -> None:
    assert code_of(prepare(engine(), documentId=name)) == "PERSISTED_QUERY_NOT_FOUND"


def test_a_name_with_another_text_is_refused() -> None:
    assert code_of(prepare(engine(), documentId="search:v1", query="{ apiVersion }")) == "BAD_USER_INPUT"


@pytest.mark.parametrize("value", [1, "", [], "x" * 201, {}])
def test_a_name_is_text(value: Any) -> None:
    with pytest.raises(BadRequest, match="documentId must be text"):
        from_map({"documentId": value})


def test_addresses_carry_names_too() -> None:
    found = from_query_string(b'documentId=search%3Av1&variables=%7B"q"%3A"x"%7D')
    assert found == Parameters("", None, {"q": "x"}, {}, None, "search:v1")


@pytest.mark.parametrize(
    "query",
    ["{ apiVersion }", SEARCH.text + " ", "{ __schema { types { name } } }", "nonsense", "query Search { me { id } }"],
)
def test_where_only_the_safelist_runs_all_else_is_refused(query: str) -> None:
    made = engine(only=True)
    found = prepare(made, query=query)
    assert code_of(found) == "PERSISTED_ONLY"
    assert isinstance(found, Outcome)
    assert found.status == 403
    assert made.planned(Parameters(query)) is None
    assert isinstance(prepare(engine(), query=query), Prepared | Outcome)


def test_the_refusal_names_what_may_have_been_meant() -> None:
    found = prepare(engine(only=True), query="query Search { me { id } }")
    assert isinstance(found, Outcome)
    told = found.errors[0]["extensions"]
    assert "search:v1" in told["mend"]
    assert told["field"] == "query"


def test_documents_are_read_at_start_and_compiled() -> None:
    made = engine(only=True)
    assert len(made.documents) == len(released_documents().by_id)
    assert made.planned(Parameters(document_id="entity:v1", variables={"id": "x"})) is not None
    assert made.planned(Parameters(document_id="search:v1")) is None  # resolvers run it


def test_every_document_fits_the_present_schema_and_its_manifest() -> None:
    assert problems(released_documents()) == []
    assert problems(released_documents(), present_sdl()) == []
    assert json.loads(manifest_file().read_text()) == manifest(released_documents())
    entry = next(each for each in manifest(released_documents()) if each["id"] == "search:v1")
    assert entry["abac"] == ["graph.search"]
    assert "reader" in entry["roles"]
    assert entry["hash"] == f"sha256-{SEARCH.sha256}"


def test_a_document_that_the_next_schema_breaks_is_named() -> None:
    found = problems(released_documents(), present_sdl().replace("  snippet: String!\n", ""))
    assert found == ["search:v1: Cannot query field 'snippet' on type 'SearchHit'."]


@pytest.mark.parametrize(
    "name", ["search.graphql", "Search.v1.graphql", "search.v0.graphql", "search.v1.gql", "a b.v1.graphql"]
)
def test_files_are_called_by_name_and_version(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"NAME\.vN\.graphql"):
        safe_document(name, "")
    assert read_folder(tmp_path / "none") == Safelist()
    assert documents_folder().is_dir()
