"""The content security policy of pages: nothing but our own files, and scripts only where this answer names them.

A nonce per answer is stricter than `script-src 'self'`, which would also run anything that someone managed to have
served from our host (CSP Level 3, section 8.2; csp_evaluator marks `'self'` for the same reason).
"""

import secrets
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
NONCE_BYTES = 18


def policy(nonce: str) -> str:
    """Return the policy for a page whose script elements carry `nonce`."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def nonce_of(request: HttpRequest) -> str:
    """Return the nonce of this request's answer; made on first use."""
    nonce = getattr(request, "csp_nonce", "")
    if not nonce:
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        request.csp_nonce = nonce  # type: ignore[attr-defined]
    return str(nonce)


class ContentSecurityPolicy:
    """Middleware that gives every answer the policy, unless its view set one of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if HEADER not in response:
            response[HEADER] = policy(nonce_of(request))
        return response
