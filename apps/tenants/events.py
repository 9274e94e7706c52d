"""Events of tenancy."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from apps.bus.types import Event


@dataclass(frozen=True, slots=True)
class TenantCreated(Event):
    """A tenant was created."""

    name: ClassVar[str] = "tenants.tenant.created"
    tenant_id: UUID
    slug: str
    home_region: str
    isolation_tier: str
    plan: str


@dataclass(frozen=True, slots=True)
class TenantStatusChanged(Event):
    """A tenant was suspended, reactivated or set to leave."""

    name: ClassVar[str] = "tenants.tenant.status_changed"
    tenant_id: UUID
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class TenantPlanChanged(Event):
    """The tenant is on another plan from now on."""

    name: ClassVar[str] = "tenants.tenant.plan_changed"
    tenant_id: UUID
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True)
class TenantSettingsChanged(Event):
    """The tenant's name or what holds by default was changed. `fields` are the names of what changed."""

    name: ClassVar[str] = "tenants.tenant.settings_changed"
    tenant_id: UUID
    fields: tuple[str, ...]
    retention_tier: str
    settings_version: int
