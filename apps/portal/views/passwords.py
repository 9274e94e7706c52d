"""Passwords: change the own one, or get a new one by a link in a mail."""

from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.core import mail
from apps.core.context import Context
from apps.core.errors import IgError, InvalidInput
from apps.core.scope import system_scope
from apps.identity import services as identity
from apps.portal import door, entrance, errors, figures
from apps.portal.account_forms import AddressForm, NewPasswordForm, PasswordForm


@sensitive_post_parameters("current", "password")
@require_http_methods(["GET", "POST"])
@door.account_page(fresh=True)
def change(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Change the own password. An account that has none yet gets its first one without the present one."""
    user = door.viewer(request)
    has_one = user.has_usable_password()
    form = (PasswordForm if has_one else NewPasswordForm)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given, agent = form.cleaned_data, entrance.agent_of(request)
        if has_one and authenticate(request, email=user.email, password=given["current"]) is None:
            identity.note_refusal(ctx, email=user.email, reason="current password", agent=agent)
            form.add_error("current", "This is not your present password.")
        else:
            try:
                ended = identity.change_password(
                    ctx,
                    user=user,
                    password=given["password"],
                    session_key=request.session.session_key or "",
                    agent=agent,
                )
            except InvalidInput as error:
                form.add_error("password", errors.sentences(error))
            else:
                with system_scope("identity.authenticate"):
                    update_session_auth_hash(request, user)
                messages.success(
                    request, f"Your password is changed. {figures.plural(ended, 'other session').capitalize()} ended."
                )
                return HttpResponseRedirect(reverse("portal:account-security"))
    return render(
        request, "portal/password.html", {"form": form, "has_one": has_one}, status=422 if form.errors else 200
    )


@never_cache
@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a link to a new password. Known and unknown addresses get the same answer."""
    form = AddressForm(request.POST or None)
    asked = False
    if request.method == "POST" and form.is_valid():
        try:
            identity.ask_for_reset(door.context_of(request), email=form.cleaned_data["email"])
        except IgError as error:
            return errors.refusal(request, error)
        asked = True
    return render(
        request,
        "portal/reset_ask.html",
        {"form": form, "asked": asked, "possible": mail.possible(), "mail_folder": mail.written_to()},
        status=422 if form.errors else 200,
    )


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a new password by a mailed link; afterwards one signs in with it."""
    ctx = door.context_of(request)
    form = NewPasswordForm(request.POST or None)
    try:
        identity.check_reset(ctx, token=token)
        if request.method == "POST" and form.is_valid():
            try:
                identity.reset_password(
                    ctx, token=token, password=form.cleaned_data["password"], agent=entrance.agent_of(request)
                )
            except InvalidInput as error:
                form.add_error("password", errors.sentences(error))
            else:
                return HttpResponseRedirect(f"{reverse('portal:login')}?changed=1")
    except IgError as error:
        return errors.refusal(request, error)
    return render(request, "portal/reset.html", {"form": form, "token": token}, status=422 if form.errors else 200)
