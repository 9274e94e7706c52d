"""API keys of a tenant: made and shown once, rotated, revoked."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.core.context import Context
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.identity.types import SCOPE_ROLES, ApiKeyInfo, NewApiKey
from apps.portal import door
from apps.portal.forms import KeyForm
from apps.portal.types import Badge, Tone

ABOUT = {"reader": "read", "writer": "read, write, bring in data", "admin": "everything an admin may"}
SOON = timedelta(days=7)


def _state(ctx: Context, key: ApiKeyInfo) -> Badge:
    if key.revoked_at is not None:
        return Badge("revoked", Tone.DANGER, "ban")
    if key.expires_at is not None and key.expires_at <= ctx.now:
        return Badge("ended", Tone.NEUTRAL, "clock")
    if key.replaced_by is not None:
        return Badge("rotated out", Tone.WARN, "refresh-cw")
    if key.expires_at is not None and key.expires_at - ctx.now < SOON:
        return Badge("ends soon", Tone.WARN, "clock")
    return Badge("active", Tone.OK, "circle-check")


@require_safe
@door.tenant_page("identity.key.read", "keys")
def keys(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The keys of the tenant, newest first."""
    found = people.api_keys(ctx)
    return render(
        request,
        "portal/keys.html",
        {
            "keys": [(key, _state(ctx, key), key.revoked_at is None) for key in found],
            "manage": door.may(ctx, "identity.key.manage"),
            "slug": ctx.tenant_slug,
        },
    )


def _shown_once(request: HttpRequest, ctx: Context, made: NewApiKey, overlap_until: object = None) -> HttpResponse:
    return render(request, "portal/key_made.html", {"made": made, "slug": ctx.tenant_slug, "until": overlap_until})


@require_http_methods(["GET", "POST"])
@door.tenant_page("identity.key.manage", "keys")
def key_new(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Make a key within what the viewer may do, and show its secret, once."""
    mine = identity.grantable(ctx)
    scopes = [(str(scope), f"{scope}: {ABOUT[scope]}") for scope, roles in SCOPE_ROLES.items() if roles <= mine]
    form = KeyForm(request.POST or None, scopes=scopes)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = identity.create_api_key(
            ctx, name=given["name"], scope=given["scope"], expires_at=ctx.now + timedelta(days=given["days"])
        )
        return _shown_once(request, ctx, made)
    return render(
        request,
        "portal/key_new.html",
        {"form": form, "slug": ctx.tenant_slug},
        status=422 if form.errors else 200,
    )


@require_POST
@door.tenant_page("identity.key.manage", "keys")
def rotate(request: HttpRequest, ctx: Context, key_id: UUID) -> HttpResponse:
    """Make a key's successor and show its secret, once; the old key holds for another day."""
    return _shown_once(request, ctx, identity.rotate_api_key(ctx, key_id=key_id), True)


@require_POST
@door.tenant_page("identity.key.manage", "keys")
def revoke(request: HttpRequest, ctx: Context, key_id: UUID) -> HttpResponse:
    """End a key at once."""
    ended = identity.revoke_api_key(ctx, key_id=key_id)
    messages.success(request, f"The key “{ended.name}” is revoked. It is refused from now on.")
    return HttpResponseRedirect(reverse("portal:keys", args=[ctx.tenant_slug]))
