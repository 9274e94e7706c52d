"""Public signing keys at their well-known addresses: for everyone, cached for a while."""

import hashlib

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified

from apps.vault import selectors as vault

MAX_AGE_S = 300


def public(request: HttpRequest, body: bytes, content_type: str) -> HttpResponse:
    """Return a document for everyone, to be kept for MAX_AGE_S and then asked for by its ETag."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "ETag": etag,
        "Cache-Control": f"max-age={MAX_AGE_S}",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    asked = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if etag in asked or "*" in asked:
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(body, content_type=content_type, headers=headers)


def keys(request: HttpRequest) -> HttpResponse:
    """`GET /.well-known/intelgraph/keys.json`: every key there ever was, since old signatures need old keys."""
    return public(request, orjson.dumps(vault.keys_document()), "application/json")


def jwks(request: HttpRequest) -> HttpResponse:
    """`GET /.well-known/jwks.json` (RFC 7517): the keys whose signatures are to be accepted now."""
    return public(request, orjson.dumps(vault.jwks_document()), "application/jwk-set+json")
