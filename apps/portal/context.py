"""What every template may use: the answer's nonce, the viewer's appearance, and the shell of signed-in pages."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from apps.identity import selectors as identity
from apps.portal import csp, door, navigation, rooms
from apps.portal.types import Acting, Shell, TenantChoice
from apps.tenants import selectors as tenants

THEMES = frozenset({"light", "dark"})
DENSITIES = frozenset({"comfortable", "compact"})
HEARD = {"changes": "graph.changes.subscribe", "jobs": "connectors.job.read", "usage": "quotas.usage.read"}
"""What pages follow live, and the action that policy must allow for it."""


def page(request: HttpRequest) -> dict[str, Any]:
    """Django's context processor of every page."""
    theme = request.COOKIES.get("ig_theme", "")
    return {
        "csp_nonce": csp.nonce_of(request),
        "theme": theme if theme in THEMES else "",
        "shell": SimpleLazyObject(lambda: shell_of(request)),
        "acting": SimpleLazyObject(lambda: acting_of(request)),
    }


def density_of(request: HttpRequest) -> str:
    """Return how dense the viewer likes tables."""
    density = request.COOKIES.get("ig_density", "")
    return density if density in DENSITIES else "comfortable"


def acting_of(request: HttpRequest) -> Acting | None:
    """Return where the viewer acts as platform staff now, or None; for the banner of every page."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff:
        return None
    found = identity.acting_now(door.context_of(request), user)
    tenant = tenants.by_id(found.tenant_id) if found is not None else None
    if found is None or tenant is None:
        return None
    return Acting(tenant.name, reverse("portal:home", args=[tenant.slug]), found.reason, found.ends_at, found.wide)


def shell_of(request: HttpRequest) -> Shell | None:
    """Return what surrounds the page, or None for someone who is not signed in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    place: door.Place | None = getattr(request, "ig_place", None)
    mine = rooms.places_of(request, door.context_of(request))
    choices = tuple(
        TenantChoice(one.slug, one.name, one.home_region, place is not None and one.id == place.tenant.id)
        for one in (where.tenant for where in mine)
        if one.active
    )
    everywhere = rooms.section_for(mine, getattr(request, "ig_room", ""))
    if place is None:
        return Shell(
            person=user.get_short_name(),
            email=user.email,
            roles=tuple(sorted(user.platform_roles)),
            tenant=None,
            tenants=choices,
            region="",
            sections=(everywhere,),
        )
    ctx, slug = place.ctx, place.tenant.slug
    can_search, can_audit = (door.may(ctx, action) for action in (navigation.ENTITIES.action, navigation.LEDGER.action))
    return Shell(
        person=user.get_short_name(),
        email=user.email,
        roles=tuple(sorted(ctx.roles)),
        tenant=TenantChoice(slug, place.tenant.name, place.tenant.home_region, True),
        tenants=choices,
        region=ctx.region,
        purpose=ctx.purpose or "",
        sections=(
            *navigation.sections_for(
                lambda action: door.may(ctx, action), place.page, lambda name: reverse(f"portal:{name}", args=[slug])
            ),
            everywhere,
        ),
        search_href=reverse(f"portal:{'entities' if can_search else 'ledger' if can_audit else 'home'}", args=[slug]),
        hears=tuple(name for name, action in HEARD.items() if door.may(ctx, action)),
        palette_href=reverse("portal:palette", args=[slug]),
    )
