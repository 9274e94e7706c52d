"""Platform staff in a tenant: they stop by the banner, and the tenant may end it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.core.context import Context
from apps.identity import services as identity
from apps.portal import door


@require_POST
@door.account_page()
def stop(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Stop acting, wherever the viewer does."""
    if identity.stop_acting(ctx, user=door.viewer(request)):
        messages.success(request, "You act in no tenant any more.")
    return HttpResponseRedirect(reverse("portal:root"))


@require_POST
@door.tenant_page("identity.member.manage", "members")
def end(request: HttpRequest, ctx: Context, acting_id: UUID) -> HttpResponse:
    """End a staff member's time in the tenant."""
    ended = identity.end_acting(ctx, acting_id=acting_id)
    messages.success(request, f"{ended.staff_name} acts here no more.")
    return HttpResponseRedirect(reverse("portal:members", args=[ctx.tenant_slug]) + "#staff")
