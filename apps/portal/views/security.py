"""The security of the viewer's own account: passkeys."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.core.context import Context
from apps.identity import services as identity
from apps.portal import door, entrance


@door.account_page()
def security(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The second factors of the account, and whether they may be changed now."""
    user = door.viewer(request)
    return render(
        request,
        "portal/security.html",
        {
            "passkeys": identity.passkeys_of(user),
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
