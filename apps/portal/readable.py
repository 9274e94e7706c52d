"""Texts that no page can do anything with: PostgreSQL keeps no NUL, so a NUL in an address or a form is a broken request.

What a page reads straight from its address or its form would else reach the database.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict

from apps.portal import errors

NUL = "\x00"


class ReadableText:
    """Middleware that answers 400 when the address of a page, or what a form sent to it, holds a NUL.

    Doors for programs say so themselves, naming the field. It stands after the CSRF check, which has read the form.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: Any) -> HttpResponse | None:
        """Refuse before the view; None lets it go on."""
        if request.path.startswith(errors.PROGRAM_PATHS):
            return None
        if NUL in request.path or _holds_nul(request.GET) or _holds_nul(request.POST):
            return errors.bad_request(request)
        return None


def _holds_nul(sent: QueryDict) -> bool:
    return any(NUL in text for name, values in sent.lists() for text in (name, *values))
