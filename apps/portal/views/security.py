"""The security of the viewer's own account: passkeys, authenticator apps, recovery codes."""

import base64
import io

import qrcode
import qrcode.image.svg
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.identity import services as identity
from apps.identity.types import Method
from apps.portal import door, entrance
from apps.portal.forms import AppCodeForm


@require_safe
@door.account_page()
def security(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The second factors of the account, and whether they may be changed now."""
    user = door.viewer(request)
    return render(
        request,
        "portal/security.html",
        {
            "passkeys": identity.passkeys_of(user),
            "apps": identity.apps_of(user),
            "ways": identity.ways_of(user),
            "recent": identity.is_recent(ctx, user=user),
            "by_number": entrance.address_by_name(request),
        },
    )


def _back() -> HttpResponse:
    return HttpResponseRedirect(reverse("portal:account-security"))


@require_POST
@door.account_page(fresh=True)
def remove_passkey(request: HttpRequest, ctx: Context, passkey_id: int) -> HttpResponse:
    """Take a passkey away."""
    identity.remove_passkey(ctx, user=door.viewer(request), passkey_id=passkey_id)
    messages.success(request, "The passkey is gone. It opens nothing any more.")
    return _back()


@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
@door.account_page(fresh=True)
def app_new(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Add an authenticator app: begin (a form without a code), show its secret, take a first code."""
    user = door.viewer(request)
    form = AppCodeForm(request.POST if "code" in request.POST else None)
    if request.method == "POST" and "code" not in request.POST:
        identity.begin_app(ctx, user=user)
        return HttpResponseRedirect(request.path)
    pending = identity.pending_app(user=user)
    if pending is None:
        return _back()
    if form.is_bound and form.is_valid():
        try:
            device = identity.finish_app(ctx, user=user, code=form.cleaned_data["code"])
        except InvalidInput as error:
            form.add_error("code", error.message)
        else:
            entrance.confirm_session(request, ctx, user, method=Method.APP, device=device)
            messages.success(request, "The authenticator app is added.")
            return _back()
    return render(
        request,
        "portal/app_new.html",
        {"form": form, "pending": pending, "picture": picture_of(pending.address)},
        status=422 if form.errors else 200,
    )


def picture_of(address: str) -> str:
    """Return a QR code as an SVG in a `data:` address, black on white in both colour schemes: cameras want contrast."""
    code = qrcode.QRCode(border=3, image_factory=qrcode.image.svg.SvgPathFillImage)
    code.add_data(address)
    drawn = io.BytesIO()
    code.make_image().save(drawn)
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.getvalue()).decode()


@require_POST
@door.account_page(fresh=True)
def remove_app(request: HttpRequest, ctx: Context, app_id: int) -> HttpResponse:
    """Take an authenticator app away."""
    identity.remove_app(ctx, user=door.viewer(request), app_id=app_id)
    messages.success(request, "The authenticator app is gone. Its codes confirm nothing any more.")
    return _back()


@require_POST
@door.account_page(fresh=True)
def recovery_codes(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Make recovery codes and show them, once."""
    codes = identity.make_recovery_codes(ctx, user=door.viewer(request))
    return render(request, "portal/recovery_codes.html", {"codes": codes, "text": "\n".join(codes)})
