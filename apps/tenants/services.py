"""Verbs of tenancy: create, change status, enter."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core import conf
from apps.core.context import Context, described_by
from apps.core.errors import Conflict, Forbidden, InvalidInput, Misdirected, NotFound, StaleVersion, TenantSuspended
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import require_tenant_id, system_scope, tenant_scope
from apps.tenants import selectors
from apps.tenants.events import TenantCreated, TenantPlanChanged, TenantSettingsChanged, TenantStatusChanged
from apps.tenants.models import SLUG, Tenant
from apps.tenants.types import DEFAULT_TIERS, MAX_NAME, PLANS, IsolationTier, TenantInfo, TenantStatus

_NEXT: dict[str, frozenset[str]] = {
    TenantStatus.ACTIVE: frozenset({TenantStatus.SUSPENDED, TenantStatus.OFFBOARDING}),
    TenantStatus.SUSPENDED: frozenset({TenantStatus.ACTIVE, TenantStatus.OFFBOARDING}),
    TenantStatus.OFFBOARDING: frozenset({TenantStatus.CLOSED}),
    TenantStatus.CLOSED: frozenset(),
}


def create_tenant(
    ctx: Context,
    *,
    slug: str,
    name: str,
    home_region: str,
    allowed_regions: tuple[str, ...] = (),
    isolation_tier: str = IsolationTier.SHARED,
    plan: str = "starter",
) -> TenantInfo:
    """Create a tenant. Raises InvalidInput for a bad slug, name or tier, Conflict when the slug is taken."""
    if not re.match(SLUG, slug):
        raise InvalidInput("slug must be 3 to 40 of a-z, 0-9 and -, starting with a letter", field="slug")
    if not name.strip():
        raise InvalidInput("name is empty", field="name")
    if isolation_tier not in set(IsolationTier):
        raise InvalidInput(
            f"isolation tier {isolation_tier!r} is not one of mt, st-ded, air-gapped", field="isolation_tier"
        )
    regions = tuple(dict.fromkeys((home_region, *allowed_regions)))
    with system_scope("tenants.manage"):
        try:
            with transaction.atomic(using="system"):
                row = Tenant(
                    id=new_id(),
                    slug=slug,
                    name=name.strip(),
                    home_region=home_region,
                    allowed_regions=list(regions),
                    isolation_tier=isolation_tier,
                    plan=plan,
                )
                row.save(force_insert=True)
                bus.record(ctx, TenantCreated(row.id, slug, home_region, str(isolation_tier), plan), tenant_id=row.id)
        except IntegrityError:
            raise Conflict(f"slug {slug!r} is taken", field="slug", mend="Choose another slug.") from None
    return selectors.info_of(row)


def change_status(ctx: Context, *, tenant_id: UUID, to: str, reason: str) -> TenantInfo:
    """Move a tenant to another status. Raises NotFound, InvalidInput without a reason, Conflict for a step that is not allowed."""
    if not reason.strip():
        raise InvalidInput("a reason is needed", field="reason")
    with system_scope("tenants.manage"), transaction.atomic(using="system"):
        row = Tenant.objects.select_for_update().filter(id=tenant_id).first()
        if row is None:
            raise NotFound("no such tenant")
        if to not in _NEXT[row.status]:
            raise Conflict(f"a tenant that is {row.status} cannot become {to}", field="status")
        before, row.status = row.status, to
        row.save(update_fields=["status"])
        bus.record(ctx, TenantStatusChanged(row.id, before, to, reason.strip()), tenant_id=row.id)
        selectors.TENANTS.changed(row.id)
    found = selectors.by_id(tenant_id)
    if found is None:
        raise NotFound("no such tenant")
    return found


def change_plan(ctx: Context, *, tenant_id: UUID, plan: str, reason: str) -> TenantInfo:
    """Put a tenant on another plan. Raises NotFound, InvalidInput for an unknown plan or without a reason, Conflict when
    it is on that plan."""
    if plan not in PLANS:
        raise InvalidInput(f"plan {plan[:40]!r} is not one of {', '.join(PLANS)}", field="plan")
    if not reason.strip():
        raise InvalidInput("a reason is needed", field="reason")
    with system_scope("tenants.manage"), transaction.atomic(using="system"):
        row = Tenant.objects.select_for_update().filter(id=tenant_id).first()
        if row is None:
            raise NotFound("no such tenant")
        if row.plan == plan:
            raise Conflict(f"the tenant is on the plan {plan} already", field="plan")
        before, row.plan = row.plan, plan
        row.save(update_fields=["plan"])
        bus.record(ctx, TenantPlanChanged(row.id, before, plan, reason.strip()), tenant_id=row.id)
        selectors.TENANTS.changed(row.id)
    return selectors.info_of(row)


def change_settings(ctx: Context, *, expected_version: int, name: str, retention_tier: str) -> TenantInfo:
    """Change what the tenant in scope may change of itself: its name, and how long data is kept that names no tier.

    Data that stands keeps its tier. Nothing is recorded when nothing changes. Raises InvalidInput, StaleVersion when
    somebody else saved since `expected_version`, NotFound.
    """
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidInput(f"name must be 1 to {MAX_NAME} printable characters", field="name")
    if retention_tier not in DEFAULT_TIERS:
        raise InvalidInput(f"retention tier is not one of {', '.join(DEFAULT_TIERS)}", field="retention_tier")
    with transaction.atomic(using=write_alias()):
        row = Tenant.objects.select_for_update().filter(id=require_tenant_id()).first()
        if row is None:
            raise NotFound("no such tenant")
        if row.version != expected_version:
            raise StaleVersion(
                f"the settings are at version {row.version}, and yours began from {expected_version}",
                mend="Look at what changed, then decide again.",
            )
        wanted = {"name": name, "retention_tier": retention_tier}
        changed = tuple(sorted(field for field, value in wanted.items() if getattr(row, field) != value))
        if changed:
            row.name, row.retention_tier, row.version = name, retention_tier, row.version + 1
            row.save(update_fields=["name", "retention_tier", "version"])
            bus.record(ctx, TenantSettingsChanged(row.id, changed, retention_tier, row.version), tenant_id=row.id)
            selectors.TENANTS.changed(row.id)
    return selectors.info_of(row)


def admit(tenant: TenantInfo, *, region: str | None = None) -> None:
    """Check that people and machines may enter `tenant` here and now.

    Raises TenantSuspended unless it is active, Misdirected when it does not live in this region.
    """
    if tenant.status in {TenantStatus.CLOSED, TenantStatus.OFFBOARDING}:
        raise Forbidden(f"the tenant is {tenant.status}")
    if not tenant.active:
        raise TenantSuspended("the tenant is suspended", mend="Ask your account's owner to contact support.")
    here = region or conf.get().region
    if not conf.get().embedded and here not in tenant.allowed_regions:
        raise Misdirected(f"the tenant is not served from {here}", mend=f"Use the address of {tenant.home_region}.")


@contextmanager
def enter(ctx: Context) -> Iterator[Context]:
    """Open the scope of the context's tenant: its rows and no others. Without a tenant nothing is opened."""
    with described_by(ctx):
        if ctx.tenant_id is None:
            yield ctx
        else:
            with tenant_scope(ctx.tenant_id):
                yield ctx
