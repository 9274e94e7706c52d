"""The base of every tenant-owned table, and the scope to use it in."""

from typing import Any, ClassVar, TypeVar

from django.db import models

from apps.core.errors import NoTenantScope
from apps.core.ids import new_id
from apps.core.rowsecurity import AppendOnly, EnableRowSecurity, ReaderFunction
from apps.core.scope import (
    PLATFORM_TENANT_ID,
    current_scope,
    current_tenant_id,
    no_scope,
    require_tenant_id,
    system_scope,
    tenant_scope,
)

M = TypeVar("M", bound=models.Model)


class TenantManager(models.Manager[M]):
    """Rows of the tenant in scope. Without a scope it raises: forgetting the tenant is an error, not an empty page."""

    def get_queryset(self) -> models.QuerySet[M]:
        """Return the tenant's rows (or, in a system scope, all). Raises NoTenantScope outside any scope."""
        scope = current_scope()
        if scope.tenant_id is not None:
            return super().get_queryset().filter(tenant_id=scope.tenant_id)
        if scope.system:
            return super().get_queryset()
        raise NoTenantScope(f"{self.model.__name__} was asked for with no tenant in scope")


class TenantModel(models.Model):
    """A row that belongs to one tenant.

    Its migration must add `EnableRowSecurity("<table>")`; a system check fails otherwise. The tenant is filled in
    from the scope.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", default=require_tenant_id, editable=False
    )

    objects: ClassVar[TenantManager[Any]] = TenantManager()

    class Meta:
        abstract = True


__all__ = [
    "PLATFORM_TENANT_ID",
    "AppendOnly",
    "EnableRowSecurity",
    "ReaderFunction",
    "TenantManager",
    "TenantModel",
    "current_tenant_id",
    "no_scope",
    "require_tenant_id",
    "system_scope",
    "tenant_scope",
]
