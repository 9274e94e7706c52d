"""Sign in, give a second factor, sign out."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import authenticate, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.core import conf
from apps.core.context import Context
from apps.core.scope import system_scope
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.identity.types import Method
from apps.portal import asking, door, entrance
from apps.portal.forms import CodeForm, SignInForm

WRONG = "That e-mail address and password do not belong together. Check both and try again."
WRONG_CODE = "That code is not valid now. Wait for the next one, check that your phone’s clock is right, and try again."
SECOND_FACTOR_PATHS = ("/admin/",)
"""Addresses that want a second factor from the start; elsewhere the door asks when an act needs one."""


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for e-mail address and password. Known and unknown addresses get the same answer in the same time."""
    target = entrance.target_of(request)
    if request.user.is_authenticated and request.method == "GET":
        return HttpResponseRedirect(target)
    form = SignInForm(request.POST or None)
    refused = ""
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"].strip().lower()
        user = authenticate(request, email=email, password=form.cleaned_data["password"])
        ctx = door.context_of(request)
        if user is not None:
            entrance.open_session(request, ctx, user, method=Method.PASSWORD)
            if target.startswith(SECOND_FACTOR_PATHS):
                return HttpResponseRedirect(f"{reverse('portal:code')}?{urlencode({'next': target})}")
            return HttpResponseRedirect(target)
        reason = "locked" if getattr(request, "axes_locked_out", False) else "credentials"
        identity.note_refusal(ctx, email=email, reason=reason, agent=entrance.agent_of(request))
        refused = WRONG
    return render(
        request,
        "portal/sign_in.html",
        {
            "form": form,
            "next": target,
            "refused": refused,
            "changed": "changed" in request.GET,
            "demo": conf.get().embedded,
            "by_number": entrance.address_by_name(request),
        },
        status=200 if request.method == "GET" else 422,
    )


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for a one-time code or a passkey, for the addresses and acts that need a fresh second factor."""
    if not request.user.is_authenticated:
        return door.sign_in_first(request)
    target = entrance.target_of(request)
    ctx = door.context_of(request)
    ways = identity.ways_of(request.user)
    form = CodeForm(request.POST or None)
    refused = ""
    if request.method == "POST" and ways.by_code and form.is_valid():
        method = _given(ctx, request.user, form.cleaned_data["code"])
        if method is not None:
            entrance.confirm_session(
                request, ctx, request.user, method=method, device=people.first_device(request.user)
            )
            return HttpResponseRedirect(target)
        agent = entrance.agent_of(request)
        identity.note_refusal(ctx, email=request.user.email, reason="code", method=Method.APP, agent=agent)
        refused = WRONG_CODE
    names = {
        name: (request.POST or request.GET).get(name, "") for name in ("why", "source", "action", "decision", "again")
    }
    return render(
        request,
        "portal/second_factor.html",
        {
            "form": form,
            "next": target,
            "refused": refused,
            "ways": ways,
            "again": names["again"] == "1",
            "reason": asking.reason_of(names, target),
            "decision": asking.decision_of(names),
            "names": {name: value[:200] for name, value in names.items() if value},
        },
        status=200 if request.method == "GET" else 422,
    )


def _given(ctx: Context, user: Any, code: str) -> Method | None:
    """Return what this code is for the account: of its app, one of its recovery codes, or nothing."""
    if len(code) <= 6:
        return Method.APP if identity.verify_second_factor(user=user, code=code) else None
    return Method.RECOVERY_CODE if identity.use_recovery_code(ctx, user=user, code=code) else None


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session; `next` may name the page to come back to after signing in again."""
    if request.user.is_authenticated:
        ctx = door.context_of(request)
        if request.user.is_staff:
            identity.stop_acting(ctx, user=request.user)
        identity.note_sign_out(ctx, user=request.user)
    with system_scope("identity.authenticate"):
        logout(request)
    target = entrance.target_of(request)
    if target != reverse("portal:root"):
        return HttpResponseRedirect(f"{reverse('portal:login')}?{urlencode({'next': target})}")
    return HttpResponseRedirect(settings.LOGOUT_REDIRECT_URL)
