"""Rows of quotas: limits that differ from the plan's."""

from typing import ClassVar

from django.db import models

from apps.quotas.types import Measure
from apps.tenants.base import TenantModel


class Override(TenantModel):
    """Another limit than the plan's for one tenant and measure, for a time and a reason."""

    measure = models.TextField(choices=[(m.value, m.value) for m in Measure])
    rate_per_s = models.FloatField()
    burst = models.IntegerField()
    until = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    created_by = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "quotas_override"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "measure"], name="quotas_override_once"),
            models.CheckConstraint(
                condition=models.Q(rate_per_s__gt=0) & models.Q(burst__gte=1), name="quotas_override_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.measure}: {self.rate_per_s:g}/s, burst {self.burst}"
