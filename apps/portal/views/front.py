"""The front page, a viewer's appearance, and the files that robots and researchers look for."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_GET, require_POST, require_safe

from apps.core import conf
from apps.portal import door, rooms
from apps.portal.context import DENSITIES, THEMES

YEAR_S = 365 * 86_400
SECURITY_TXT_DAYS = 180


@never_cache
@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """Show the product to strangers; lead members to their tenant, or let them choose among several."""
    if not request.user.is_authenticated:
        return render(request, "portal/landing.html", {"demo": conf.get().embedded})
    places = [one for one in rooms.places_of(request, door.context_of(request)) if one.tenant.active]
    if begins := rooms.home_of([one.ctx.roles for one in places]):
        return HttpResponseRedirect(reverse(f"portal:{begins}"))
    mine = [one.tenant for one in places]
    if len(mine) == 1:
        return HttpResponseRedirect(reverse("portal:home", args=[mine[0].slug]))
    return render(request, "portal/choose.html", {"choices": mine, "staff": request.user.is_staff})


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Remember appearance or table density in a cookie of this browser, and go back."""
    wanted = request.POST.get("next", "")
    back = (
        wanted
        if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()})
        else reverse("portal:root")
    )
    response = HttpResponseRedirect(back)
    for name, allowed in (("theme", THEMES), ("density", DENSITIES)):
        value = request.POST.get(name, "")
        if value in allowed:
            response.set_cookie(f"ig_{name}", value, max_age=YEAR_S, secure=request.is_secure(), samesite="Lax")
        elif value:
            response.delete_cookie(f"ig_{name}", samesite="Lax")
    return response


@require_GET
@cache_control(max_age=3600, public=True)
def robots(request: HttpRequest) -> HttpResponse:
    """Robots may read pages, not interfaces (RFC 9309). What needs a sign-in is kept by the sign-in."""
    closed = ("/admin/", "/api/", "/graphql", "/scim/", "/ofrep/", "/otlp/", "/-/")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in closed), "Allow: /", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


@require_GET
@cache_control(max_age=3600, public=True)
def security_txt(request: HttpRequest) -> HttpResponse:
    """How to report a vulnerability (RFC 9116)."""
    host = urlsplit(settings.BASE_URL).hostname or ""
    expires = (datetime.now(UTC) + timedelta(days=SECURITY_TXT_DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = (
        f"Contact: mailto:security@{host if _is_name(host) else 'intelgraph.example'}",
        f"Expires: {expires.strftime('%Y-%m-%dT%H:%M:%SZ')}",
        "Preferred-Languages: en",
        f"Canonical: {settings.BASE_URL}/.well-known/security.txt",
        "",
    )
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." in host
    return False
