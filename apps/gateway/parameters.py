"""The parameters of a GraphQL request (`query`, `operationName`, `variables`, `extensions`), from a body or an address.

Source: GraphQL over HTTP, working draft, section "Request Parameters". Pure: no Django.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

APQ_VERSION = 1
MAX_DOCUMENT_ID = 200


class BadRequest(Exception):
    """The request is not a well-formed GraphQL request; `field` names the parameter that is wrong."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Parameters:
    """A well-formed request. `query` is empty only when `sha256` names a document that was sent before, or
    `document_id` one of the release's own."""

    query: str = ""
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    document_id: str | None = None


def _name_of(value: Any) -> str:
    """Return the JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    for kind, name in (
        (bool, "a boolean"),
        (str, "a string"),
        (int | float, "a number"),
        (list, "a list"),
        (dict, "a map"),
    ):
        if isinstance(value, kind):
            return name
    return type(value).__name__


def _optional_map(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} is {_name_of(value)}; it must be a map or null", field=name)
    return value


def _persisted_hash(extensions: Mapping[str, Any]) -> str | None:
    """Return the SHA-256 of `extensions.persistedQuery` (Apollo's automatic persisted queries), or None without one."""
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict):
        raise BadRequest("extensions.persistedQuery must be a map", field="extensions")
    if persisted.get("version") != APQ_VERSION:
        raise BadRequest(f"extensions.persistedQuery.version must be {APQ_VERSION}", field="extensions")
    sha256 = persisted.get("sha256Hash")
    if not isinstance(sha256, str) or len(sha256) != 64 or not all(c in "0123456789abcdef" for c in sha256):
        raise BadRequest(
            "extensions.persistedQuery.sha256Hash must be 64 lower-case hexadecimal digits", field="extensions"
        )
    return sha256


def _document_id(raw: Mapping[str, Any]) -> str | None:
    """Return what `documentId` (or `id`) names, or None without one."""
    for name in ("documentId", "id"):
        value = raw.get(name)
        if value is None:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= MAX_DOCUMENT_ID:
            raise BadRequest(f"{name} must be text of 1 to {MAX_DOCUMENT_ID} characters", field=name)
        return value
    return None


def from_map(raw: Any) -> Parameters:
    """Return the parameters that a JSON value describes.

    Raises BadRequest naming the parameter that has the wrong type or is missing.
    """
    if isinstance(raw, list):
        raise BadRequest("a list of requests (batching) is not taken here; send one request per call")
    if not isinstance(raw, dict):
        raise BadRequest(f"the body is {_name_of(raw)}; it must be a map with 'query'")
    extensions = _optional_map(raw, "extensions")
    sha256 = _persisted_hash(extensions)
    document_id = _document_id(raw)
    query = raw.get("query")
    named = sha256 is not None or document_id is not None
    if query is None and named:
        query = ""
    if query is None:
        raise BadRequest("query is missing", field="query")
    if not isinstance(query, str):
        raise BadRequest(f"query is {_name_of(query)}; it must be a string", field="query")
    if not query and not named:
        raise BadRequest("query is empty", field="query")
    operation_name = raw.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest(
            f"operationName is {_name_of(operation_name)}; it must be a string or null", field="operationName"
        )
    return Parameters(query, operation_name or None, _optional_map(raw, "variables"), extensions, sha256, document_id)


def from_body(body: bytes) -> Parameters:
    """Return the parameters of a JSON body in UTF-8. Raises BadRequest when it is empty, not JSON, or malformed."""
    if not body.strip():
        raise BadRequest("the body is empty; send a map with 'query'")
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON in UTF-8: {error}") from None
    return from_map(raw)


def from_query_string(query_string: bytes) -> Parameters:
    """Return the parameters of a GET request's address; `variables` and `extensions` are JSON in the address.

    Raises BadRequest when one is given twice, is not UTF-8, or is malformed.
    """
    raw: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise BadRequest("the address is not a valid query string in UTF-8") from None
    for name, text in pairs:
        if name not in {"query", "operationName", "variables", "extensions", "documentId", "id"}:
            continue
        if name in raw:
            raise BadRequest(f"{name} is given twice", field=name)
        raw[name] = text
    for name in ("variables", "extensions"):
        if not raw.get(name):
            raw.pop(name, None)
            continue
        try:
            raw[name] = orjson.loads(raw[name])
        except orjson.JSONDecodeError as error:
            raise BadRequest(f"{name} is not JSON: {error}", field=name) from None
    return from_map(raw)
