"""Filters of lists that members keep under a name."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.core.context import Context
from apps.portal import door, selectors, services
from apps.portal.tables import ListQuery
from apps.portal.types import Kept, KeptLink

ENTITIES = "entities"
FIELDS = ("kind",)
SORTS = ("name", "changed")


def kept_of(ctx: Context, query: ListQuery) -> Kept:
    """Return the kept filters of the list of entities, and what keeping its present state would keep."""
    may_share = door.may(ctx, services.SHARE)
    links = tuple(
        KeptLink(
            one,
            ListQuery.parse(query.path, one.state, filters=FIELDS, sorts=SORTS).href(),
            dict(one.state) == query.state,
            reverse("portal:filter-delete", args=[ctx.tenant_slug, one.id]) if one.own or may_share else "",
        )
        for one in selectors.kept_filters(ctx, ENTITIES)
    )
    state = {} if any(link.on for link in links) else query.state
    return Kept(links, reverse("portal:filter-save", args=[ctx.tenant_slug]), state, may_share)


@require_POST
@door.tenant_page("graph.entity.read", ENTITIES)
def save(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Keep the state that the form carries, as the list itself would read it from an address."""
    path = reverse("portal:entities", args=[ctx.tenant_slug])
    query = ListQuery.parse(path, request.POST.dict(), filters=FIELDS, sorts=SORTS)
    name = request.POST.get("name", "")
    services.save_filter(ctx, list_=ENTITIES, name=name, state=query.state, shared="shared" in request.POST)
    messages.success(request, f"Kept as “{' '.join(name.split())}”.")
    return HttpResponseRedirect(query.href())


@require_POST
@door.tenant_page("graph.entity.read", ENTITIES)
def delete(request: HttpRequest, ctx: Context, filter_id: UUID) -> HttpResponse:
    """Delete a kept filter; what it found stays as it is."""
    name = services.delete_filter(ctx, filter_id=filter_id)
    messages.success(request, f"The filter “{name}” is deleted.")
    return HttpResponseRedirect(reverse("portal:entities", args=[ctx.tenant_slug]))
