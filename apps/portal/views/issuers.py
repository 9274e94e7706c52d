"""Identity providers whose tokens a tenant trusts: add one, remove one, revoke a token of one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.portal import door
from apps.portal.forms import IssuerForm


@require_GET
@door.tenant_page("identity.member.read", "issuers")
def issuers(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The providers that are trusted, and a form to trust another."""
    return _page(request, ctx, IssuerForm())


@require_POST
@door.tenant_page("identity.issuer.manage", "issuers")
def trust(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Trust a provider."""
    form = IssuerForm(request.POST)
    if form.is_valid():
        try:
            identity.trust_issuer(ctx, **form.cleaned_data)
        except (InvalidInput, Conflict) as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            messages.success(request, "Tokens of this identity provider are let in from now on.")
            return _back(ctx)
    return _page(request, ctx, form)


def _page(request: HttpRequest, ctx: Context, form: IssuerForm) -> HttpResponse:
    return render(
        request,
        "portal/issuers.html",
        {
            "issuers": [
                (one, ", ".join(f"{value} → {role}" for value, role in sorted(one.role_map.items())))
                for one in people.trusted_issuers(ctx)
            ],
            "form": form,
            "audience": identity.audience_of(ctx.tenant_slug),
            "manage": door.may(ctx, "identity.issuer.manage"),
            "slug": ctx.tenant_slug,
        },
        status=422 if form.errors else 200,
    )


def _back(ctx: Context) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:issuers", args=[ctx.tenant_slug]))


@require_POST
@door.tenant_page("identity.issuer.manage", "issuers")
def remove(request: HttpRequest, ctx: Context, issuer_id: UUID) -> HttpResponse:
    """End the trust in a provider."""
    identity.distrust_issuer(ctx, issuer_id=issuer_id)
    messages.success(request, "Its tokens are refused from now on.")
    return _back(ctx)


@require_POST
@door.tenant_page("identity.issuer.manage", "issuers")
def revoke(request: HttpRequest, ctx: Context, issuer_id: UUID) -> HttpResponse:
    """Refuse one token of a provider, by its id."""
    identity.revoke_token(ctx, issuer_id=issuer_id, jti=request.POST.get("jti", "").strip())
    messages.success(request, "That token is refused from now on.")
    return _back(ctx)
