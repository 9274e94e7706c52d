"""The developers' home: addresses, keys, first programs that run, schema, persisted documents, changelog."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.core.context import Context
from apps.core.errors import NotFound
from apps.portal import door, quickstart, release, rooms
from apps.portal.types import Code


def base_url() -> str:
    """Return the address under which programs reach this installation."""
    parts = urlsplit(settings.BASE_URL)
    return f"{parts.scheme}://{parts.netloc}"


def _addresses(base: str) -> tuple[tuple[str, str, str, str], ...]:
    socket = base.replace("http", "ws", 1)
    return (
        ("GraphQL", f"{base}/graphql", "read and change the graph: POST, and GET for queries", ""),
        ("Live updates", f"{socket}/graphql/ws", "GraphQL over WebSocket, subprotocol graphql-transport-ws", ""),
        ("REST", f"{base}/api/v1/", "imports, mappings, the ledger’s proofs and exports", ""),
        ("OpenAPI", f"{base}/api/v1/openapi.json", "the description of REST, OpenAPI 3.1", "/api/v1/openapi.json"),
        (
            "Schema",
            f"{base}{reverse('portal:developers-sdl')}",
            "the schema of GraphQL, for code generators",
            reverse("portal:developers-sdl"),
        ),
        (
            "Public keys",
            f"{base}/.well-known/intelgraph/keys.json",
            "to verify what we sign",
            "/.well-known/intelgraph/keys.json",
        ),
    )


@require_safe
@door.account_page(room="developers")
def developers(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Everything that a program needs to begin."""
    base = base_url()
    places = rooms.places_of(request, ctx)
    slug = places[0].tenant.slug if places else "your-tenant"
    return render(
        request,
        "portal/developers.html",
        {
            "addresses": _addresses(base),
            "keys": [(one.tenant, one.may("identity.key.manage")) for one in places if one.may("identity.key.read")],
            "environment": quickstart.environment(base),
            "slug": slug,
            "graphql": quickstart.GRAPHQL,
            "rest": quickstart.REST,
            "live": quickstart.live(slug),
            "documents": release.documents(),
            "by_name": Code(
                "curl",
                'curl -sS "$IG_URL/graphql" -H "Authorization: Bearer $IG_TOKEN" -H "Content-Type: application/json" \\\n'
                '  -d \'{"documentId": "summary:v1"}\'',
            ).text,
            "changelog": release.changelog(),
        },
    )


@require_safe
@door.account_page()
def sdl(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The schema of this release, as a file."""
    return _file(release.sdl(), "schema.graphql")


@require_safe
@door.account_page()
def document(request: HttpRequest, ctx: Context, name: str) -> HttpResponse:
    """A persisted document, as a file."""
    found = next((one for one in release.documents() if one.file_name == name), None)
    if found is None:
        raise NotFound("no such document")
    return _file(found.text, found.file_name)


def _file(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="application/graphql; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
