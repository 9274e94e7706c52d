"""Invitations: asked for and withdrawn on the members' page, accepted by whoever got the mail."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.context import Context
from apps.core.errors import Conflict, IgError, InvalidInput
from apps.identity import services as identity
from apps.identity.types import Method
from apps.portal import door, entrance, errors
from apps.portal.account_forms import InviteForm, WelcomeForm
from apps.portal.views.members import drawn, role_choices


def _back(ctx: Context) -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:members", args=[ctx.tenant_slug]) + "#invitations")


@require_http_methods(["GET", "POST"])
@door.tenant_page("identity.member.manage", "members")
def invite(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Invite an address. Opened by GET it only leads back: on the way here a second factor was given."""
    if request.method == "GET":
        return _back(ctx)
    form = InviteForm(request.POST, choices=role_choices(ctx))
    if form.is_valid():
        try:
            identity.invite(ctx, email=form.cleaned_data["email"], roles=frozenset(form.cleaned_data["roles"]))
        except (InvalidInput, Conflict) as error:
            form.add_error(error.field if error.field in form.fields else None, errors.sentences(error))
        else:
            messages.success(request, "The invitation is on its way.")
            return _back(ctx)
    return drawn(request, ctx, form)


@require_POST
@door.tenant_page("identity.member.manage", "members")
def again(request: HttpRequest, ctx: Context, invitation_id: UUID) -> HttpResponse:
    """Send an invitation anew."""
    identity.invite_again(ctx, invitation_id=invitation_id)
    messages.success(request, "The invitation is sent again. The link in the mail before opens nothing any more.")
    return _back(ctx)


@require_POST
@door.tenant_page("identity.member.manage", "members")
def revoke(request: HttpRequest, ctx: Context, invitation_id: UUID) -> HttpResponse:
    """Withdraw an invitation."""
    identity.revoke_invitation(ctx, invitation_id=invitation_id)
    messages.success(request, "The invitation is withdrawn. Its link opens nothing any more.")
    return _back(ctx)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Show what an invitation offers; take it by a form, so that nothing that only follows links uses it up."""
    ctx = door.context_of(request)
    try:
        offer = identity.offer_of(ctx, token=token)
        viewer: Any = request.user if request.user.is_authenticated else None
        form = WelcomeForm(request.POST or None)
        if request.method == "POST" and viewer is not None:
            identity.accept_invitation(ctx, token=token, user=viewer)
            return _welcome(request, offer.tenant_name, offer.tenant_slug)
        if request.method == "POST" and not offer.known and form.is_valid():
            given = form.cleaned_data
            try:
                user = identity.accept_invitation(ctx, token=token, name=given["name"], password=given["password"])
            except InvalidInput as error:
                form.add_error("password", errors.sentences(error))
            else:
                entrance.open_session(request, ctx, user, method=Method.INVITATION)
                return _welcome(request, offer.tenant_name, offer.tenant_slug)
    except IgError as error:
        return errors.refusal(request, error)
    return render(
        request,
        "portal/invitation.html",
        {
            "offer": offer,
            "form": form,
            "mine": viewer is not None and viewer.email == offer.email,
            "viewer": viewer,
            "token": token,
        },
        status=422 if form.errors and not offer.known else 200,
    )


def _welcome(request: HttpRequest, name: str, slug: str) -> HttpResponse:
    messages.success(request, f"Welcome to {name}.")
    return HttpResponseRedirect(reverse("portal:home", args=[slug]))
