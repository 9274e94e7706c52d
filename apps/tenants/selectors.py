"""Reads of tenancy. Finding a tenant by slug happens before any is in scope, so it is a named system scope."""

from uuid import UUID

from django.db.models import Count

from apps.core.kept import Kept
from apps.core.scope import system_scope
from apps.core.statements import run_prepared
from apps.tenants.models import Tenant
from apps.tenants.types import RetentionTier, TenantInfo, TenantStatus

# Asked by the first request of each caller, so it is worth a prepared statement.
_FIND = """
select id, slug, name, home_region, allowed_regions, isolation_tier, status, plan, retention_tier, version
from tenants_tenant where id = %s
"""
TENANTS: Kept[UUID, TenantInfo] = Kept("tenants.tenant")


def info_of(row: Tenant) -> TenantInfo:
    """Return a tenant's row as a value."""
    return TenantInfo(
        id=row.id,
        slug=row.slug,
        name=row.name,
        home_region=row.home_region,
        allowed_regions=tuple(row.allowed_regions),
        isolation_tier=row.isolation_tier,
        status=row.status,
        plan=row.plan,
        retention_tier=row.retention_tier,
        version=row.version,
    )


def by_slug(slug: str) -> TenantInfo | None:
    """Return the tenant of that slug, or None."""
    with system_scope("tenants.resolve"):
        row = Tenant.objects.filter(slug=slug).first()
    return info_of(row) if row else None


def by_id(tenant_id: UUID) -> TenantInfo | None:
    """Return the tenant of that id, or None. It is kept in the process (see `apps.core.kept`)."""

    def read() -> TenantInfo | None:
        with system_scope("tenants.resolve"):
            found = run_prepared("system", _FIND, (tenant_id,))
        if not found:
            return None
        key, slug, name, home, regions, *rest = found[0]
        return TenantInfo(key, slug, name, home, tuple(regions), *rest)

    return TENANTS.get(tenant_id, read)


def default_tier(tenant_id: UUID) -> str:
    """Return how long the tenant's data is kept that names no retention tier."""
    tenant = by_id(tenant_id)
    return tenant.retention_tier if tenant else RetentionTier.STANDARD.value


def by_ids(tenant_ids: list[UUID]) -> list[TenantInfo]:
    """Return these tenants, by slug."""
    with system_scope("tenants.resolve"):
        return [info_of(row) for row in Tenant.objects.filter(id__in=tenant_ids).order_by("slug")]


def everyone() -> list[TenantInfo]:
    """Return all tenants, by slug."""
    with system_scope("tenants.resolve"):
        return [info_of(row) for row in Tenant.objects.order_by("slug")]


def count_by_status() -> dict[str, int]:
    """Return how many tenants there are in each status; statuses that none has are there with 0."""
    with system_scope("tenants.resolve"):
        counted = dict(Tenant.objects.order_by().values_list("status").annotate(Count("id")))
    return {status.value: counted.get(status.value, 0) for status in TenantStatus}
