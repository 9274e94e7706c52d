"""The OpenAPI 3.1 document: what django-ninja derives from the operations, completed with what all of them share.

Errors, rate headers, security and request bodies are the same everywhere, so they stand here once, as components.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from ninja.schema import NinjaGenerateJsonSchema

from apps.core.problem import MEDIA_TYPE
from apps.gateway.rest import mapping_contract, schemas

ALWAYS = (400, 401, 403, 406, 421, 429, 500, 503)
"""Statuses that any operation may refuse with."""
EXTRA: dict[str, tuple[int, ...]] = {
    "startIngest": (404, 408, 409, 413, 415),
    "getIngestJob": (404,),
    "getIngestErrors": (404,),
    "cancelIngestJob": (404,),
    "getMapping": (404,),
    "saveMapping": (404, 409, 413, 415),
    "proveRecord": (404,),
    "exportLedger": (404,),
    "getEntity": (404,),
    "explainDecision": (404,),
}
WORDS: dict[int, str] = {
    400: "The request cannot be taken as it is; `field` and `errors` say what is meant.",
    401: "No credentials, or they do not hold; with code STEP_UP_REQUIRED a fresh second factor is needed.",
    403: "These credentials do not allow this.",
    404: "There is no such thing in this tenant.",
    406: "The answer cannot be given in a form that Accept allows.",
    408: "The body stopped arriving.",
    409: "The request does not fit the present state, or its idempotency key was used for another request.",
    413: "The body is too large.",
    415: "The content type or encoding is not taken.",
    421: "The tenant lives in another region.",
    429: "The quota is used up; come back after Retry-After seconds.",
    500: "Something broke here; tell us the request id.",
    503: "A part that this needs is away; try again later.",
}
ABOUT = """\
Bring data in, save mappings, prove and export the ledger, read entities. Everything else is GraphQL at `/graphql`.

**Credentials.** `Authorization: Bearer <API key>`, or the session of the portal (then unsafe methods need an `Origin` of ours). A key belongs to
one tenant; a person who is a member of several names the tenant in `x-ig-tenant`. `x-ig-purpose` says what is read for.

**Errors** are problem details (RFC 9457). Each carries `code` and the `request_id` that stands in `x-request-id`, too; send your own
`x-request-id` (8 to 64 letters, digits, `.`, `_`, `-`) to find a request again.

**Limits.** `RateLimit` and `RateLimit-Policy` say what is left; 429 and 503 say in `Retry-After` when to come back.

**Sending again.** A POST that creates takes an `Idempotency-Key`; with it the same request has one effect, however often it is sent.
"""
_BINARY = {
    "type": "string",
    "minLength": 1,
    "maxLength": 17_179_869_184,
    "pattern": "^[\\s\\S]+$",
    "contentMediaType": "application/octet-stream",
}
_SOURCE_TYPES = ("application/octet-stream", "text/plain")
_HEADERS: dict[str, Any] = {
    "RequestId": ("The request's id.", {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$", "maxLength": 64}),
    "ApiVersion": ("The version of this contract.", {"type": "string", "pattern": "^[0-9-]+$", "maxLength": 20}),
    "RateLimit": (
        "What is left of the quota (RateLimit header fields for HTTP, draft 10).",
        {"type": "string", "pattern": '^"[a-z]+";r=[0-9]+;t=[0-9]+$', "maxLength": 200},
    ),
    "RateLimitPolicy": ("The quota.", {"type": "string", "pattern": '^"[a-z]+";q=[0-9]+;w=[0-9]+$', "maxLength": 200}),
    "RetryAfter": ("Seconds to wait.", {"type": "integer", "format": "int32", "minimum": 0, "maximum": 86_400}),
    "Location": (
        "Address of what was made.",
        {"type": "string", "format": "uri-reference", "pattern": "^/[!-~]*$", "maxLength": 500},
    ),
    "Link": ("The next page (RFC 8288).", {"type": "string", "pattern": '^<[^>]*>; rel="next"$', "maxLength": 500}),
    "ContentDisposition": (
        "A name to save it under.",
        {"type": "string", "pattern": '^attachment; filename="[A-Za-z0-9._-]+"$', "maxLength": 200},
    ),
    "Challenge": ("How to authenticate (RFC 6750).", {"type": "string", "pattern": "^Bearer .*$", "maxLength": 300}),
    "Access-Control-Allow-Origin": (
        "Only our own pages may read this in a browser.",
        {"type": "string", "pattern": "^https?://[!-~]+$", "maxLength": 300},
    ),
}
_ON_ALL = {
    "x-request-id": "RequestId",
    "x-ig-api-version": "ApiVersion",
    "RateLimit": "RateLimit",
    "RateLimit-Policy": "RateLimitPolicy",
    "Access-Control-Allow-Origin": "Access-Control-Allow-Origin",
}
_ON_SUCCESS: dict[str, dict[str, str]] = {
    "startIngest": {"Location": "Location"},
    "cancelIngestJob": {"Location": "Location"},
    "listIngestJobs": {"Link": "Link"},
    "listCheckpoints": {"Link": "Link"},
    "getIngestJob": {"Retry-After": "RetryAfter"},
    "getIngestErrors": {"Content-Disposition": "ContentDisposition"},
    "exportLedger": {"Content-Disposition": "ContentDisposition"},
}
_JOB_LINKS = {
    name: {"operationId": operation, "parameters": {"job_id": "$response.body#/id"}, "description": about}
    for name, operation, about in (
        ("follow", "getIngestJob", "Follow the job."),
        ("errors", "getIngestErrors", "The rows that were refused."),
        ("cancel", "cancelIngestJob", "Stop the job."),
    )
}
_LINKS: dict[tuple[str, str], dict[str, Any]] = {("startIngest", "202"): _JOB_LINKS}
_MAPPING_LINKS = {
    "read": {
        "operationId": "getMapping",
        "parameters": {"name": "$response.body#/name"},
        "description": "Read the mapping.",
    },
    "use": {
        "operationId": "startIngest",
        "parameters": {"source": "$response.body#/name"},
        "description": "Bring a source in with it.",
    },
}
_LINKS |= {("saveMapping", status): _MAPPING_LINKS for status in ("200", "201")}


def finished(derived: dict[str, Any]) -> dict[str, Any]:
    """Return the whole document from what django-ninja derived."""
    document: dict[str, Any] = orjson.loads(orjson.dumps(derived, option=orjson.OPT_NON_STR_KEYS))
    document["info"] |= {
        "summary": "Ingest, mappings, ledger and entities of an IntelGraph tenant",
        "description": ABOUT,
        "contact": {
            "name": "IntelGraph",
            "url": f"{settings.BASE_URL}/developers/",
            "email": "support@intelgraph.example",
        },
        "license": {"name": "All rights reserved", "url": f"{settings.BASE_URL}/developers/"},
    }
    document["servers"] = [{"url": "/", "description": "This installation (production)", "x-internal": False}]
    document["tags"] = [
        {"name": "Graph", "description": "Entities, one at a time."},
        {"name": "Ingest", "description": "Sources being brought in."},
        {"name": "Ledger", "description": "Proofs that outsiders can check."},
        {"name": "Mappings", "description": "How rows become entities and edges."},
        {"name": "Policy", "description": "What was decided, and why."},
    ]
    document["security"] = [{"key": []}, {"session": []}]
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "API key",
            "description": "An API key of the tenant. Bearer tokens as in RFC 6750; JSON web tokens follow RFC 8725.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "ig_session",
            "description": "The portal's session; unsafe methods need an Origin of ours.",
        },
    }
    components["headers"] = {
        name: {"description": about, "schema": schema} for name, (about, schema) in _HEADERS.items()
    }
    components.setdefault("schemas", {})
    _add_schema(components["schemas"], schemas.Problem, "Problem")
    components["schemas"]["MappingDocument"] = mapping_contract.MAPPING
    used: set[int] = set()
    for _, _, operation in operations(document):
        used |= _complete(operation)
    components["responses"] = {_name(status): _problem_response(status) for status in sorted(used)}
    _tidy(document)
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path, method, operation) of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.replace(" ", "").replace("-", "")


def _add_schema(found: dict[str, Any], model: Any, name: str) -> None:
    schema = model.model_json_schema(
        ref_template="#/components/schemas/{model}", schema_generator=NinjaGenerateJsonSchema
    )
    for inner, definition in schema.pop("$defs", {}).items():
        found.setdefault(inner, definition)
    found[name] = schema


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _headers(names: dict[str, str]) -> dict[str, Any]:
    return {header: _ref("headers", name) for header, name in names.items()}


def _problem_response(status: int) -> dict[str, Any]:
    headers = dict(_ON_ALL)
    if status in (429, 503):
        headers["Retry-After"] = "RetryAfter"
    if status == 401:
        headers["WWW-Authenticate"] = "Challenge"
    return {
        "description": WORDS[status],
        "headers": _headers(headers),
        "content": {MEDIA_TYPE: {"schema": _ref("schemas", "Problem")}},
    }


def _complete(operation: dict[str, Any]) -> set[int]:
    """Give an operation its errors, headers, links and body; return the statuses of its errors."""
    name = operation["operationId"]
    gives = operation.pop("x-gives", None)
    for status, response in list(operation["responses"].items()):
        response["description"] = {"200": "Done.", "201": "Made.", "202": "Taken."}[status]
        response["headers"] = _headers(_ON_ALL | _ON_SUCCESS.get(name, {}))
        if gives:
            text = {"type": "string", "maxLength": 9_007_199_254_740_991, "pattern": "^[\\s\\S]*$"}
            response["content"] = {gives: {"schema": text}}
            if name == "exportLedger":
                response["content"]["application/gzip"] = {
                    "schema": {**_BINARY, "minLength": 0, "pattern": "^[\\s\\S]*$"}
                }
        if (name, status) in _LINKS:
            response["links"] = _LINKS[name, status]
    refused = {*ALWAYS, *EXTRA.get(name, ())}
    for status in sorted(refused):
        operation["responses"][str(status)] = _ref("responses", _name(status))
    if name == "startIngest":
        operation["requestBody"] = {
            "description": "The file.",
            "required": True,
            "content": {media: {"schema": _BINARY} for media in _SOURCE_TYPES}
            | {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"file": _BINARY},
                        "required": ["file"],
                    }
                }
            },
        }
    if name == "saveMapping":
        operation["requestBody"] = {
            "description": "The mapping.",
            "required": True,
            "content": {
                media: {"schema": _ref("schemas", "MappingDocument")}
                for media in ("application/json", "application/yaml")
            },
        }
    return refused


def _tidy(node: Any) -> None:
    """Drop what only repeats (titles), and the null of parameters that may simply be left out."""
    if isinstance(node, list):
        for inner in node:
            _tidy(inner)
        return
    if not isinstance(node, dict):
        return
    if isinstance(node.get("title"), str) and (
        "type" in node or "anyOf" in node or "$ref" in node or "enum" in node or "const" in node
    ):
        del node["title"]
    if "in" in node and isinstance(node.get("schema"), dict):
        schema = node["schema"]
        choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
        if choices:
            schema |= choices[0]
        schema.pop("description", None)
        if schema.get("type") == "integer":
            schema["format"] = "int64"
        if schema.get("default", "") is None:
            del schema["default"]
    for inner in node.values():
        _tidy(inner)
