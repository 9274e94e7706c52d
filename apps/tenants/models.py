"""Rows of tenancy."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models

from apps.core.ids import new_id
from apps.tenants.types import IsolationTier, RetentionTier, TenantStatus

SLUG = r"^[a-z][a-z0-9-]{1,38}[a-z0-9]$"


class Tenant(models.Model):
    """An organisation that uses the platform. The application role sees only the one in scope."""

    tenant_column: ClassVar[str] = "id"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.TextField(
        unique=True, validators=[RegexValidator(SLUG, "3 to 40 of a-z, 0-9 and -, starting with a letter")]
    )
    name = models.TextField()
    home_region = models.TextField()
    allowed_regions = ArrayField(models.TextField(), default=list)
    isolation_tier = models.TextField(
        choices=[(t.value, t.value) for t in IsolationTier], default=IsolationTier.SHARED.value
    )
    status = models.TextField(choices=[(s.value, s.value) for s in TenantStatus], default=TenantStatus.ACTIVE.value)
    plan = models.TextField(default="starter")
    retention_tier = models.TextField(
        default=RetentionTier.STANDARD.value, db_default=RetentionTier.STANDARD.value
    )  # of what is written without one
    version = models.IntegerField(default=1, db_default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "tenants_tenant"
        ordering: ClassVar[list[str]] = ["slug"]

    def __str__(self) -> str:
        return self.name
