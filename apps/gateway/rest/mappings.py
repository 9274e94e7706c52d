"""Mappings over REST: list, read, save."""

import json
from typing import Annotated, Any

import orjson
from django.http import HttpRequest, HttpResponse
from jsonschema.exceptions import best_match
from ninja import Path, Router

from apps.connectors import selectors, services
from apps.connectors.types import MappingView
from apps.core.errors import Conflict, InvalidInput, UnsupportedMedia
from apps.gateway.rest import mapping_contract, schemas
from apps.gateway.rest.answers import json_answer
from apps.gateway.rest.door import Door, context_of
from apps.gateway.rest.uploads import content_type_of
from apps.gateway.rest.words import Name

router = Router(tags=["Mappings"])
MAX_BYTES = 256 * 1024
JSON_TYPES = frozenset({"application/json"})
YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
RESERVED = frozenset({"jobs"})

MappingName = Annotated[Name, Path(description="The mapping's name.")]


def document_of(view: MappingView) -> dict[str, Any]:
    """Return a mapping as REST gives it."""
    return {
        "name": view.name,
        "version": view.version,
        "sha256": view.sha256,
        "built_in": view.version == 0,
        "created_by": view.created_by,
        "created_at": view.created_at,
        "document": view.document,
    }


@router.get(
    "/mappings",
    auth=Door("connectors.mapping.read"),
    response={200: schemas.Mappings},
    operation_id="listMappings",
    summary="List the mappings that can be used",
)
def mappings(request: HttpRequest) -> HttpResponse:
    """The tenant's own, newest version each, and those that come with the product."""
    return json_answer({"items": [document_of(view) for view in selectors.mappings(context_of(request))]})


@router.get(
    "/mappings/{name}",
    auth=Door("connectors.mapping.read"),
    response={200: schemas.Mapping},
    operation_id="getMapping",
    summary="Read a mapping",
)
def mapping(request: HttpRequest, name: MappingName) -> HttpResponse:
    """The newest version."""
    return json_answer(document_of(selectors.mapping(context_of(request), name)))


@router.put(
    "/mappings/{name}",
    auth=Door("connectors.mapping.write"),
    response={200: schemas.Mapping, 201: schemas.Mapping},
    operation_id="saveMapping",
    summary="Save a mapping",
)
def save(request: HttpRequest, name: MappingName) -> HttpResponse:
    """YAML or JSON, by content type. Each change makes a new version; the same content again makes none."""
    if name in RESERVED:
        raise Conflict(f"{name!r} is an address of ours", field="name", mend="Choose another name.")
    found = _parsed(request)
    _check(name, found)
    view, changed = services.put_mapping(context_of(request), name=name, text=orjson.dumps(found))
    created = changed and view.version == 1
    return json_answer(
        document_of(view), 201 if created else 200, {"Location": f"/api/v1/mappings/{name}"} if created else None
    )


def _parsed(request: HttpRequest) -> Any:
    media_type, _ = content_type_of(request)
    if media_type not in JSON_TYPES | YAML_TYPES:
        raise UnsupportedMedia(
            "a mapping is YAML or JSON", field="Content-Type", mend="Send application/yaml or application/json."
        )
    body = request.body
    if len(body) > MAX_BYTES:
        raise InvalidInput(
            f"a mapping has at most {MAX_BYTES} bytes", field="body", limit="body_bytes", bound=MAX_BYTES
        )
    try:
        if media_type in JSON_TYPES:
            return json.loads(body, object_pairs_hook=_each_once, parse_constant=_no_constant)
        return services.read_mapping(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body cannot be read: {str(error)[:200]}", field="body") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a member stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _check(name: str, document: Any) -> None:
    """Hold the document to the product's own check, which says best what is wrong, then to the published shape.

    Raises InvalidInput with every problem.
    """
    if not isinstance(document, dict):
        raise InvalidInput("a mapping is an object with fields", field="body", mend="Start with format and entities.")
    if document.get("name", name) != name:
        raise Conflict(
            f"the document says {document['name']!r}, the address {name!r}", field="name", mend="Use the same name."
        )
    services.check_mapping({**document, "name": name})
    problems = []
    for error in mapping_contract.validator().iter_errors(document):
        deepest = best_match([error])
        path = ".".join(str(part) for part in deepest.absolute_path) or "body"
        problems.append(
            {"path": path, "message": deepest.message[:300], "mend": "See MappingDocument in /api/v1/openapi.json."}
        )
    if problems:
        raise InvalidInput(
            f"{problems[0]['path']}: {problems[0]['message']}", field=problems[0]["path"], problems=problems
        )
