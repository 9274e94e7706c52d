"""The portal's door: from a browser's request to a `Context`, and the stages before a tenant's page.

A page declares the verb that it shows (`@tenant_page("graph.entity.read")`). The door finds who asks, lets them enter
the tenant in the address or answers 404 (a stranger is not told that it exists), has zero trust and policy look,
opens the tenant's scope, and turns refusals into pages that say what to do next.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode, urlsplit

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from apps.core.client import client_of, surroundings
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.errors import IgError, NotFound, StepUpRequired, Unauthenticated
from apps.core.scope import require_tenant_id
from apps.identity import services as identity
from apps.ledger import selectors as ledger
from apps.policy import services as policy
from apps.portal import asking, errors
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from apps.tenants.types import TenantInfo

AUTHENTICATED_AT = "ig_authenticated_at"
SECOND_FACTOR_AT = "ig_second_factor_at"
DEFAULT_PURPOSE = "investigation"

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, Context, P], HttpResponseBase]
View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page stands: in which tenant, as whom, and which page of the navigation it belongs to."""

    ctx: Context
    tenant: TenantInfo
    page: str


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


def address_of(request: HttpRequest) -> str:
    """Return the address that a request comes from; a trusted proxy is believed (AXES_CLIENT_IP_CALLABLE as well)."""
    return client_of(str(request.META.get("REMOTE_ADDR", "")), request.headers.get("x-forwarded-for", ""))


def context_of(request: HttpRequest) -> Context:
    """Return the context of a request before any tenant: who is signed in, and what the session knows."""
    around = SessionFacts(ip=address_of(request))
    headers = {name.lower(): value for name, value in request.headers.items()}
    around = surroundings(around, str(request.META.get("REMOTE_ADDR", "")), headers)
    ctx = Context(request_id=errors.request_id_of(request), session=around)
    user = request.user
    if not user.is_authenticated:
        return ctx
    session = request.session
    facts = replace(
        around,
        id=str(session.session_key or "")[:8],
        authenticated_at=_moment(session.get(AUTHENTICATED_AT)),
        second_factor_at=_moment(session.get(SECOND_FACTOR_AT)),
    )
    return ctx.but(
        actor=Actor(ActorKind.USER, str(user.pk), user.name or user.email),
        platform_roles=frozenset(user.platform_roles),
        purpose=DEFAULT_PURPOSE,
        session=facts,
    )


def enter(request: HttpRequest, slug: str) -> tuple[Context, TenantInfo]:
    """Return the viewer's context in the tenant of that slug.

    Raises Unauthenticated for nobody, NotFound for a stranger and an unknown slug alike, Forbidden for a tenant that
    is not open, StepUpRequired when the session is not trusted enough.
    """
    ctx = context_of(request)
    if not request.user.is_authenticated:
        raise Unauthenticated("sign in first")
    tenant = tenants.by_slug(slug)
    if tenant is None:
        raise NotFound("no such tenant")
    ctx = identity.enter_as_member(ctx, user=request.user, tenant=tenant)
    policy.assess_session(ctx)
    return ctx, tenant


def _note(request: HttpRequest, ctx: Context) -> None:
    """Tell the edge, which logs and traces the request, for whom it was."""
    facts = getattr(request, "scope", {}).get("ig")
    if isinstance(facts, dict):
        facts["tenant"], facts["actor"] = str(ctx.tenant_id), ctx.actor.ref


def may(ctx: Context, action: str) -> bool:
    """Return whether the viewer may do `action` here; for what a page offers, not for what it does."""
    decision = policy.decide(ctx, action)
    return decision.allow or decision.step_up


def newest_event() -> str:
    """Return the newest event of the tenant in scope, for a page that will follow what happens behind it.

    A view asks first, before it reads what it shows: what happens in between is then told, if need be twice.
    """
    found = ledger.head(require_tenant_id())
    return str(found.number if found else 0)


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """Send the viewer to sign in and back to this address."""
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else reverse("portal:root")
    return HttpResponseRedirect(f"{reverse('portal:login')}?{urlencode({'next': back})}")


def confirm_first(request: HttpRequest, error: StepUpRequired) -> HttpResponse:
    """Send the viewer to give a second factor and back: to this address, or to the page whose form was sent.

    The address says what asked for it, for the page to tell.
    """
    if request.method in {"GET", "HEAD"}:
        said = {"next": request.get_full_path()}
    else:
        said = {"next": _page_of_form(request), "again": "1"}  # what was sent is not kept: the page says so
    return HttpResponseRedirect(f"{reverse('portal:code')}?{urlencode({**said, **asking.names_of(error)})}")


def tenant_page(action: str, page: str = "") -> Callable[[Page[P]], View]:
    """Make a view of a tenant's page: `view(request, ctx, **address)` runs in the tenant's scope, if policy allows
    `action`. `page` is the page of the navigation that it belongs to."""

    def wrap(view: Page[P]) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                ctx, tenant = enter(request, slug)
                request.ig_place = Place(ctx, tenant, page)  # type: ignore[attr-defined]
                _note(request, ctx)
                policy.require(ctx, action)
                with tenancy.enter(ctx):
                    response = view(request, ctx, *args, **kwargs)
            except Unauthenticated:
                return sign_in_first(request)
            except StepUpRequired as error:
                return confirm_first(request, error)
            except IgError as error:
                return errors.refusal(request, error)
            if not response.has_header("Cache-Control"):
                add_never_cache_headers(response)
            return response

        guarded.action = action  # type: ignore[attr-defined]
        return guarded

    return wrap


def viewer(request: HttpRequest) -> Any:
    """Return the account behind a page of `account_page`."""
    return request.user


def _page_of_form(request: HttpRequest) -> str:
    """Return the path of our own page that sent this form (its Referer), or the root."""
    sent_from = urlsplit(request.headers.get("referer", ""))
    ours = sent_from.netloc == request.get_host() and sent_from.path.startswith("/")
    return sent_from.path if ours else reverse("portal:root")


def account_page(*, fresh: bool = False, room: str = "") -> Callable[[Page[P]], View]:
    """Make a view of the viewer's own account: `view(request, ctx, **address)`, outside any tenant.

    `fresh` asks for a second factor from the last 15 minutes first; `room` is the page of the navigation.
    """

    def wrap(view: Page[P]) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return sign_in_first(request)
            ctx = context_of(request)
            request.ig_room = room  # type: ignore[attr-defined]
            try:
                policy.assess_session(ctx)
                if fresh:
                    identity.require_recent(ctx, user=request.user)
                response = view(request, ctx, *args, **kwargs)
            except StepUpRequired as error:
                return confirm_first(request, error)
            except IgError as error:
                return errors.refusal(request, error)
            add_never_cache_headers(response)
            return response

        return guarded

    return wrap


async def streamed(ctx: Context, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield `parts`, each made in the scope of the context's tenant: a streamed answer outlives its view.

    The parts block, so they are made in the request's thread; the event loop only sends them.
    """

    def following() -> bytes | None:
        with tenancy.enter(ctx):
            return next(parts, None)

    pull = sync_to_async(following, thread_sensitive=True)
    while (part := await pull()) is not None:
        yield part
