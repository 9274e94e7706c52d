"""Quotas in the admin: limits that differ from the plan's."""

from django.contrib import admin

from apps.core.admin import PlatformAdmin, filters, shown
from apps.quotas.models import Override
from apps.quotas.types import Measure


@admin.register(Override)
class OverrideAdmin(PlatformAdmin):
    """Limits of single tenants."""

    noun, nouns = "limit", "limits"
    read_action = "platform.quota.read"
    about = "Limits that differ from the tenant's plan, for a time and a reason. Without one the plan's limit holds."
    empty = "No tenant has another limit than its plan's."
    tenant_column = "tenant_id"
    list_display = ("measure", "tenant_label", "rate", "burst", "until", "reason", "created_at")
    list_matters = ("measure", "rate")
    list_numeric = ("rate", "burst")
    list_filter = (filters.TenantFilter, filters.choice("measure", "measure", [(m.value, m.value) for m in Measure]))
    detail = (("Limit", ("measure", "tenant_label", "rate", "burst", "until", "reason", "created_by", "created_at")),)

    @admin.display(description="rate")
    def rate(self, obj: Override) -> shown.Amount:
        """Tokens in a second."""
        return shown.Amount(obj.rate_per_s, "per s")
