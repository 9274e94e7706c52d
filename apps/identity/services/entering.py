"""How an authenticated caller enters a tenant."""

from apps.core.context import Actor, Context
from apps.tenants import services as tenants
from apps.tenants.types import TenantInfo


def into(
    ctx: Context, tenant: TenantInfo, roles: frozenset[str], actor: Actor, scopes: frozenset[str] | None = None
) -> Context:
    """Return `ctx` as this actor in this tenant, limited to `scopes` (None: not limited). Raises TenantSuspended, Misdirected."""
    tenants.admit(tenant)
    return ctx.but(
        actor=actor,
        tenant_id=tenant.id,
        tenant_slug=tenant.slug,
        region=tenant.home_region,
        roles=roles,
        scopes=scopes,
    )
