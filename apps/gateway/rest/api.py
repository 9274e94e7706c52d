"""The REST API as one: routers, errors, addresses."""

from functools import cache
from typing import Any

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from apps.gateway.rest import decisions, entities, ingest, ledger, mappings, openapi, signals, wellknown
from apps.gateway.rest.answers import plain_problem, refusal
from apps.gateway.rest.door import Door, answered, in_tenant
from apps.gateway.versions import API_VERSION

PREFIX = "api/v1"


def _make() -> NinjaAPI:
    api = NinjaAPI(title="IntelGraph REST", version=API_VERSION, urls_namespace="rest", openapi_url=None, docs_url=None)
    for error in (Exception, Http404, HttpError, ValidationError):  # each, since django-ninja has handlers of its own
        api.add_exception_handler(error, refusal)
    api.add_decorator(in_tenant)
    for router in (ingest.router, mappings.router, ledger.router, entities.router, decisions.router):
        api.add_router("", router)
    for bound in api._get_bound_routers():
        for view in bound.path_operations.values():
            for operation in view.operations:
                _teach_query(operation)
    return api


def _teach_query(operation: Any) -> None:
    """Tell an operation's Door which query parameters it has."""
    names = {
        field.alias or name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name, field in model.model_fields.items()
    }
    for door in operation.auth_callbacks:
        if isinstance(door, Door):
            door.query = frozenset(names)


api = _make()


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return openapi.finished(api.get_openapi_schema(path_prefix=f"{PREFIX}/"))


@cache
def _encoded() -> bytes:
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2)


def openapi_json(request: HttpRequest) -> HttpResponse:
    """`GET /api/v1/openapi.json`."""
    return wellknown.public(request, _encoded(), "application/json")


def unknown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Everything under `/api/` that is nothing."""
    return plain_problem(
        request, 404, "there is nothing at this address", mend="See /api/v1/openapi.json for what there is."
    )


def urls() -> list[URLPattern]:
    """Return the addresses of REST, for the project's `urls.py`."""
    found: list[URLPattern] = [
        path(f"{PREFIX}/openapi.json", answered(openapi_json, frozenset({"GET"})), name="openapi")
    ]
    for bound in api._get_bound_routers():
        patterns = {str(pattern.pattern): pattern for pattern in bound.urls_paths(bound.prefix)}
        for pattern in sorted(
            patterns.values(), key=lambda pattern: str(pattern.pattern).count("<")
        ):  # literal ones first
            methods = frozenset(
                method
                for route, view in bound.path_operations.items()
                if "/" + str(pattern.pattern).lstrip("/") == _django_route(route)
                for operation in view.operations
                for method in operation.methods
            )
            found.append(
                path(
                    f"{PREFIX}/{str(pattern.pattern).lstrip('/')}",
                    answered(pattern.callback, methods),
                    name=f"rest-{pattern.name}",
                )
            )
    found.append(path(".well-known/intelgraph/keys.json", answered(wellknown.keys, frozenset({"GET"})), name="keys"))
    found.append(path(".well-known/jwks.json", answered(wellknown.jwks, frozenset({"GET"})), name="jwks"))
    events = answered(signals.security_events, frozenset({"POST"}))
    found.append(path(f"{PREFIX}/security-events", events, name="security-events"))
    found.append(re_path(r"^api/", unknown, name="rest-unknown"))
    return found


def _django_route(route: str) -> str:
    return "/" + route.lstrip("/").replace("{", "<").replace("}", ">")
