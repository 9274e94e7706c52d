"""What a browser's session holds once somebody has signed in or confirmed."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import login
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_otp import DEVICE_ID_SESSION_KEY

from apps.core import conf
from apps.core.clock import iso
from apps.core.context import Actor, ActorKind, Context
from apps.core.scope import system_scope
from apps.identity import services as identity
from apps.identity.types import SESSION_AGENT, SESSION_IP, Method
from apps.portal import door

BACKEND = "apps.identity.backends.AccountBackend"


def target_of(request: HttpRequest) -> str:
    """Return where to go afterwards (`next`): a path of ours, or the root."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    here = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if here else reverse("portal:root")


def address_by_name(request: HttpRequest) -> str:
    """Return this page's address by name when it was opened by number on one machine, else an empty text.

    An address by number cannot be a relying party (WebAuthn section 5.1.2: the id is a domain).
    """
    host = request.get_host()
    if not conf.get().embedded or urlsplit(f"//{host}").hostname not in {"127.0.0.1", "::1"}:
        return ""
    port = urlsplit(f"//{host}").port
    return f"http://localhost:{port}{request.path}" if port else f"http://localhost{request.path}"


def agent_of(request: HttpRequest) -> str:
    """Return what the browser calls itself, without control characters, cut to a bearable length."""
    return "".join(c for c in request.headers.get("user-agent", "")[:300] if c.isprintable())


def open_session(request: HttpRequest, ctx: Context, user: Any, *, method: Method, device: str | None = None) -> None:
    """Sign `user` in under a new session key. `device` is the second factor that was given with it, if any."""
    with system_scope("identity.authenticate"):
        login(request, user, backend=BACKEND)
    request.session[door.AUTHENTICATED_AT] = iso(ctx.now)
    request.session[SESSION_IP], request.session[SESSION_AGENT] = ctx.session.ip, agent_of(request)
    request.session.pop(door.SECOND_FACTOR_AT, None)
    if device is not None:
        _hold(request, ctx, device)
    actor = Actor(ActorKind.USER, str(user.pk))
    identity.note_sign_in(
        ctx.but(actor=actor), user=user, second_factor=device is not None, method=method, agent=agent_of(request)
    )


def confirm_session(request: HttpRequest, ctx: Context, user: Any, *, method: Method, device: str | None) -> None:
    """Note a second factor given just now, under a new session key."""
    request.session.cycle_key()
    _hold(request, ctx, device)
    identity.note_sign_in(ctx, user=user, second_factor=True, method=method, agent=agent_of(request))


def _hold(request: HttpRequest, ctx: Context, device: str | None) -> None:
    request.session[DEVICE_ID_SESSION_KEY] = device
    request.session[door.SECOND_FACTOR_AT] = iso(ctx.now)
