"""Every door of the product, found in the running code: what it is called and which action of policy it asks for.

A door of a tenant's data is called by its kind, its method and its route: `page POST /t/<slug:slug>/keys/new/`,
`rest GET /api/v1/mappings`, `graphql Query.entity`, `process /healthz`. Pages of the admin are called by model and
view or verb: `admin tenants.tenant changelist`, `admin tenants.tenant do suspend`.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

from apps.core.admin import PlatformAdmin
from apps.gateway import ofrep
from apps.gateway.rest.api import PREFIX, api
from apps.gateway.rest.door import Door
from apps.gateway.schema import schema

VIEWS = ("changelist", "add", "history", "delete", "change")
"""Views that every model of the admin has."""
NOT_DOORS = frozenset({"HEAD", "OPTIONS"})
"""Methods that are answered as GET is, or with a list of methods only."""
ANY = "ANY"
"""A view that takes every method."""


def walk(patterns: Any, prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield route, name and view of every address."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern).replace("^", "")
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield "/" + route, pattern.name or "", pattern.callback


def _layers(view: Any) -> Iterator[dict[str, Any]]:
    while view is not None:
        names = view.__code__.co_freevars if hasattr(view, "__code__") else ()
        yield dict(zip(names, (cell.cell_contents for cell in view.__closure__ or ()), strict=True))
        view = getattr(view, "__wrapped__", None)


def methods_of(view: Any) -> list[str]:
    """Return the methods that a view takes, as its outermost decorator that says so says it."""
    for layer in _layers(view):
        for name in ("request_method_list", "allowed"):
            if name in layer:
                return sorted(set(layer[name]) - NOT_DOORS)
    return [ANY]


def _asked_by_rest() -> dict[tuple[str, str], str]:
    found = {}
    for bound in api._get_bound_routers():
        for route, view in bound.path_operations.items():
            for operation in view.operations:
                doors = [one for one in operation.auth_callbacks if isinstance(one, Door)]
                path = f"/{PREFIX}/{route.lstrip('/')}".replace("{", "<").replace("}", ">")
                for method in operation.methods:
                    found[(method, path)] = doors[0].action if doors else ""
    return found


def addresses() -> dict[str, str]:
    """Return every door of REST and of the portal, with the action that it asks for (empty: none)."""
    asked, found = _asked_by_rest(), {}
    for route, _, view in walk(get_resolver().url_patterns):
        if route.startswith("/admin/"):
            continue
        kind = "rest" if route.startswith(("/api/", "/ofrep/")) else "page"
        for method in methods_of(view):
            action = asked.get((method, route), getattr(view, "action", ""))
            found[f"{kind} {method} {route}"] = ofrep.ACTION if route.startswith("/ofrep/") else action
    return found


def fields() -> dict[str, str]:
    """Return every root field of GraphQL, with the action that its guard asks for."""
    found = {}
    for root in (schema.graphql_schema.query_type, schema.graphql_schema.mutation_type):
        for name, field in root.fields.items() if root else ():
            found[f"graphql {root}.{name}"] = getattr(field.resolve, "action", "")
    root = schema.graphql_schema.subscription_type
    for name, field in root.fields.items() if root else ():
        found[f"graphql {root}.{name}"] = getattr(field.subscribe, "action", "")
    return found


def staff_pages() -> dict[str, str]:
    """Return every page of the admin, with the action that it asks for; what the site itself has asks for none."""
    found, known = {}, set()
    for model, page in admin.site._registry.items():
        assert isinstance(page, PlatformAdmin)
        label, name = model._meta.label_lower, f"{model._meta.app_label}_{model._meta.model_name}"
        for view in VIEWS:
            found[f"admin {label} {view}"] = page.read_action
        for verb in page.verbs:
            found[f"admin {label} do {verb.name}"] = verb.action
        known |= {f"{name}_{view}" for view in (*VIEWS, "do")}
    for route, name, view in walk(get_resolver().url_patterns):
        leads_to_change = not name and route.endswith("<path:object_id>/") and hasattr(view, "view_class")
        if route.startswith("/admin/") and name not in known and not leads_to_change:
            found[f"admin {name or route}"] = ""
    return found
