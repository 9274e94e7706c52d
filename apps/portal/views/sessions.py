"""Where the viewer is signed in, and who tried to be."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.core.context import Context
from apps.identity import selectors as people
from apps.identity import services as identity
from apps.portal import attempts, door, figures


@require_safe
@door.account_page()
def sessions(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The sessions of the account, and the newest attempts to sign in."""
    user = door.viewer(request)
    found = people.sessions_of(user, request.session.session_key or "")
    return render(
        request,
        "portal/sessions.html",
        {
            "sessions": [(one, attempts.browser_of(one.agent)) for one in found],
            "others": len(found) - 1,
            "attempts": attempts.lines(people.sign_ins_of(user)),
        },
    )


@require_POST
@door.account_page()
def end(request: HttpRequest, ctx: Context, session_id: UUID) -> HttpResponse:
    """End one of the viewer's sessions."""
    identity.end_session(ctx, user=door.viewer(request), session_id=session_id)
    messages.success(request, "That session has ended.")
    return HttpResponseRedirect(reverse("portal:account-sessions"))


@require_POST
@door.account_page()
def end_others(request: HttpRequest, ctx: Context) -> HttpResponse:
    """End all of the viewer's sessions but this one."""
    ended = identity.end_other_sessions(ctx, user=door.viewer(request), session_key=request.session.session_key or "")
    messages.success(request, f"{figures.plural(ended, 'other session')} ended.")
    return HttpResponseRedirect(reverse("portal:account-sessions"))
