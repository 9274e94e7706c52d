"""The published document is whole, bounded and true to what is served."""

import re
from collections.abc import Iterator
from typing import Any

from django.test import Client
from django.urls import resolve
from jsonschema import Draft202012Validator

from apps.core.scope import no_scope
from apps.gateway.rest.api import document
from apps.gateway.rest.openapi import operations

DOCUMENT = document()


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for name, inner in node.items():
            yield from nodes(inner, f"{path}/{name}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from nodes(inner, f"{path}/{index}")


def test_it_is_served_to_everyone_and_kept_for_a_while() -> None:
    with no_scope():
        answer = Client().get("/api/v1/openapi.json")
        assert answer.json() == DOCUMENT and answer.headers["Content-Type"] == "application/json"
        assert (
            Client().get("/api/v1/openapi.json", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
        )


def test_every_operation_is_served_named_and_explained() -> None:
    seen = set()
    for path, method, found in operations(DOCUMENT):
        assert resolve(re.sub(r"\{[a-z_]+\}", "stix", path)).url_name != "rest-unknown", path
        assert found["operationId"] not in seen and found["summary"] and found["description"] and found["tags"], path
        seen.add(found["operationId"])
        assert all(parameter["description"] for parameter in found["parameters"]), (method, path)
    assert len(seen) >= 12


def test_every_refusal_is_a_problem() -> None:
    for path, _, found in operations(DOCUMENT):
        refused = {status: response for status, response in found["responses"].items() if int(status) >= 400}
        assert {"400", "401", "403", "406", "421", "429", "500", "503"} <= set(refused), path
        for response in refused.values():
            shared = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
            assert list(shared["content"]) == ["application/problem+json"]


def test_every_post_that_creates_takes_an_idempotency_key() -> None:
    creating = [found for _, method, found in operations(DOCUMENT) if method == "post" and "requestBody" in found]
    assert creating
    for found in creating:
        assert "Idempotency-Key" in [parameter["name"] for parameter in found["parameters"]], found["operationId"]


def test_every_schema_is_valid_and_bounded() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name
    for path, node in nodes(DOCUMENT):
        if node.get("type") == "string" and "examples" not in path:
            assert "enum" in node or "const" in node or "maxLength" in node, path
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "integer":
            assert {"minimum", "maximum"} <= set(node), path
        if "$ref" in node:
            kind, wanted = node["$ref"].split("/")[2:]
            assert wanted in DOCUMENT["components"][kind], node["$ref"]
