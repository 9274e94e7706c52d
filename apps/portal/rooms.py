"""Rooms outside any one tenant: the auditors' and the developers' home; who has them, and who begins there."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse

from apps.core.context import Context
from apps.core.errors import IgError
from apps.identity import selectors as people
from apps.identity.types import Role
from apps.policy import services as policy
from apps.portal import navigation
from apps.portal.types import NavItem, NavSection
from apps.tenants import selectors as tenants
from apps.tenants import services as tenancy
from apps.tenants.types import TenantInfo

AUDITORS = frozenset({Role.AUDITOR_TENANT.value, Role.AUDITOR_ORG.value})
DEVELOPERS = frozenset({Role.DEVELOPER.value})
AUDIT_ACTION = navigation.AUDIT.action


@dataclass(frozen=True, slots=True)
class Place:
    """A tenant that the viewer may enter, and who they are in it. `closed` says why it is not open now."""

    tenant: TenantInfo
    ctx: Context
    closed: str = ""

    def may(self, action: str) -> bool:
        """Return whether the viewer may do `action` there, perhaps after confirming."""
        if self.closed:
            return False
        decision = policy.decide(self.ctx, action)
        return decision.allow or decision.step_up


def places_of(request: HttpRequest, ctx: Context) -> list[Place]:
    """Return the tenants of the viewer, by slug; read once for a request."""
    known: list[Place] | None = getattr(request, "ig_places", None)
    if known is None:
        roles = {one.tenant_id: one.roles for one in people.memberships_of(UUID(str(request.user.pk)))}
        known = [_place(ctx, tenant, roles[tenant.id]) for tenant in tenants.by_ids(list(roles))]
        request.ig_places = known  # type: ignore[attr-defined]
    return known


def _place(ctx: Context, tenant: TenantInfo, roles: frozenset[str]) -> Place:
    there = ctx.but(tenant_id=tenant.id, tenant_slug=tenant.slug, region=tenant.home_region, roles=roles)
    try:
        tenancy.admit(tenant)
    except IgError as error:
        return Place(tenant, there, error.message)
    return Place(tenant, there)


def section_for(places: list[Place], current: str) -> NavSection:
    """Return the part of the navigation that is the same in every tenant."""
    items = [
        NavItem(page.name, page.label, reverse(f"portal:{page.name}"), page.icon, page.key, page.name == current)
        for page in navigation.EVERYWHERE
        if page is not navigation.AUDIT or any(place.may(page.action) for place in places)
    ]
    return NavSection("All tenants", tuple(items))


def home_of(roles: list[frozenset[str]]) -> str:
    """Return the name of the room in which somebody with these roles (one set for each tenant) begins; empty: none.

    Who only audits begins with what there is to audit, who only develops with what there is to build on.
    """
    held: frozenset[str] = frozenset().union(*roles) if roles else frozenset()
    if held and held <= AUDITORS:
        return "audit"
    return "developers" if held and held <= DEVELOPERS else ""
