"""Texts that travel with data: the licences under which it was brought in."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.core.context import Context
from apps.portal import door, licences


@require_safe
@door.tenant_page("graph.summary.read")
def licence(request: HttpRequest, ctx: Context, key: str) -> HttpResponse:
    """The full text of a licence."""
    found = licences.by_key(key)
    if found is None:
        raise Http404
    return render(request, "portal/licence.html", {"licence": found, "text": found.read()})
