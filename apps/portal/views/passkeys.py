"""Passkeys between a page's script and us: four addresses that speak the JSON of WebAuthn Level 3.

Scripts have no form token here. What stands in its place: the body must be JSON (a foreign page cannot send that
without being asked for permission first, which nobody gives), and `Origin` must be an origin that may hold a ceremony.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.core import problem
from apps.core.context import Context
from apps.core.errors import Forbidden, IgError, InvalidInput, PayloadTooLarge, Unauthenticated
from apps.core.telemetry import get_logger
from apps.identity import services as identity
from apps.identity.types import Method
from apps.portal import door, entrance, errors

log = get_logger(__name__)

COOKIE = "ig_ceremony"
PATH = "/webauthn/"
LARGEST_BODY = 64 * 1024
LIFETIME_S = 300

Answer = Callable[[HttpRequest, Context, dict[str, Any]], HttpResponse]


def _body(request: HttpRequest) -> dict[str, Any]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        raise PayloadTooLarge("the body is larger than a credential can be")
    try:
        value = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise InvalidInput("the body is not JSON") from None
    if not isinstance(value, dict):
        raise InvalidInput("the body must be a JSON object")
    return value


def ceremony(answer: Answer) -> Callable[[HttpRequest], HttpResponse]:
    """Make a ceremony's address: POST, JSON, from a page of ours; refusals are problem details (RFC 9457)."""

    @csrf_exempt
    @require_POST
    @wraps(answer)
    def guarded(request: HttpRequest) -> HttpResponse:
        try:
            if request.headers.get("origin", "") not in identity.origins_for(request.get_host()):
                raise Forbidden("passkeys are used from our own pages only")
            if request.content_type != "application/json":
                raise Forbidden("send application/json")
            response = answer(request, door.context_of(request), _body(request))
        except IgError as error:
            said = problem.of(error, request_id=errors.request_id_of(request))
            response = JsonResponse(said, status=error.status, content_type=problem.MEDIA_TYPE)
        add_never_cache_headers(response)
        return response

    return guarded


def _begun(options: dict[str, Any], handle: str, request: HttpRequest) -> HttpResponse:
    response = JsonResponse(options)
    response.set_cookie(
        COOKIE, handle, max_age=LIFETIME_S, path=PATH, httponly=True, samesite="Strict", secure=request.is_secure()
    )
    return response


def _signed_in(request: HttpRequest) -> Any:
    if not request.user.is_authenticated:
        raise Unauthenticated("sign in first")
    return request.user


@ceremony
def register_options(request: HttpRequest, ctx: Context, body: dict[str, Any]) -> HttpResponse:
    """Options for a new passkey."""
    options, handle = identity.begin_registration(ctx, user=_signed_in(request), host=request.get_host())
    return _begun(options, handle, request)


@ceremony
def register(request: HttpRequest, ctx: Context, body: dict[str, Any]) -> HttpResponse:
    """Keep the new passkey. Its authenticator verified the person just now, which confirms the session as well."""
    made = identity.finish_registration(
        ctx,
        user=_signed_in(request),
        host=request.get_host(),
        handle=request.COOKIES.get(COOKIE, ""),
        credential=body,
        name=str(body.get("name") or ""),
    )
    entrance.confirm_session(request, ctx, request.user, method=Method.PASSKEY, device=made.persistent_id)
    response = JsonResponse({"id": made.id, "name": made.name}, status=201)
    response.delete_cookie(COOKIE, path=PATH, samesite="Strict")
    return response


@ceremony
def assert_options(request: HttpRequest, ctx: Context, body: dict[str, Any]) -> HttpResponse:
    """Options for signing in or confirming with a passkey."""
    user = request.user if request.user.is_authenticated else None
    options, handle = identity.begin_assertion(user=user, host=request.get_host())
    return _begun(options, handle, request)


@ceremony
def assert_result(request: HttpRequest, ctx: Context, body: dict[str, Any]) -> HttpResponse:
    """Sign in, or confirm, with a passkey; says where to go next."""
    user = request.user if request.user.is_authenticated else None
    try:
        owner, device = identity.finish_assertion(
            ctx, user=user, host=request.get_host(), handle=request.COOKIES.get(COOKIE, ""), credential=body
        )
    except (Unauthenticated, Forbidden) as error:
        reason = str(error.details.get("reason") or "")
        log.info("passkey refused", reason=reason, actor=ctx.actor.ref, ip=ctx.session.ip)
        if user is not None:  # what strangers send goes to the log alone: they could fill the ledger
            agent = entrance.agent_of(request)
            identity.note_refusal(ctx, email=user.email, reason=reason, method=Method.PASSKEY, agent=agent)
        raise
    if user is None:
        entrance.open_session(request, ctx, owner, method=Method.PASSKEY, device=device)
    else:
        entrance.confirm_session(request, ctx, owner, method=Method.PASSKEY, device=device)
    response = JsonResponse({"next": entrance.target_of(request)})
    response.delete_cookie(COOKIE, path=PATH, samesite="Strict")
    return response
