"""Quotas in the admin: limits that differ from the plan's, granted for a time by two people."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin

from apps.core.admin import Change, Outcome, PlatformAdmin, ReasonForm, Trail, Verb, filters, shown
from apps.core.admin import tenant_of as owner_of
from apps.core.context import Context
from apps.core.errors import NotFound
from apps.core.ids import parse_id
from apps.quotas import granting, selectors
from apps.quotas.events import OverrideGranted, OverrideWithdrawn
from apps.quotas.models import Override
from apps.quotas.types import Limit, Measure
from apps.tenants import selectors as tenants
from apps.tenants.types import TenantInfo

UNITS = {Measure.API: "calls", Measure.INGEST: "rows", Measure.DELIVERIES: "updates"}


class GrantForm(ReasonForm):
    """Which limit, for whom, for how long, and why."""

    tenant = forms.CharField(max_length=40, help_text="Slug or id of the tenant.")
    measure = forms.ChoiceField(choices=[(m.value, f"{m.value}: {UNITS[m]}") for m in Measure])
    rate_per_s = forms.FloatField(label="Rate", min_value=0.1, max_value=granting.MAX_RATE, help_text="In a second.")
    burst = forms.IntegerField(
        label="At once", min_value=1, max_value=granting.MAX_BURST, help_text="Most at once; a minute's flow is usual."
    )
    days = forms.IntegerField(
        label="Lasts",
        min_value=1,
        max_value=granting.LONGEST.days,
        help_text="Days, counted from the approval. It ends by itself.",
    )
    field_order = ("tenant", "measure", "rate_per_s", "burst", "days", "reason")


def _tenant(answers: Mapping[str, Any]) -> TenantInfo:
    key = parse_id(answers["tenant"])
    found = tenants.by_id(key) if key else tenants.by_slug(answers["tenant"])
    if found is None:
        raise NotFound(f"there is no tenant {answers['tenant']}", field="tenant")
    return found


def _words(limit: Limit, measure: Measure) -> str:
    return f"{limit.rate_per_s:,g} {UNITS[measure]} a second, {limit.burst:,} at once"


def _granted(row: None, answers: dict[str, Any]) -> Sequence[Change]:
    tenant, measure = _tenant(answers), Measure(answers["measure"])
    stands = selectors.limit_now(tenant.id, measure)
    wanted = Limit(answers["rate_per_s"], answers["burst"])
    return (
        (f"{tenant.slug}, {measure}", _words(stands, measure), _words(wanted, measure)),
        ("lasts", "", f"{answers['days']} days from the approval"),
        ("reason", "", answers["reason"]),
    )


def _grant(ctx: Context, row: None, answers: dict[str, Any]) -> Outcome:
    tenant, measure = _tenant(answers), Measure(answers["measure"])
    limit, lasts = Limit(answers["rate_per_s"], answers["burst"]), timedelta(days=answers["days"])
    made = granting.grant(ctx, tenant_id=tenant.id, measure=measure, limit=limit, lasts=lasts, reason=answers["reason"])
    return Outcome(f"{tenant.slug} has {_words(limit, measure)}, for {answers['days']} days.", made)


def _withdrawn(row: Override, answers: dict[str, Any]) -> Sequence[Change]:
    measure = Measure(row.measure)
    tenant = tenants.by_id(owner_of(row))
    plan = selectors.limit_of_plan(tenant.plan if tenant else "", measure)
    return ((row.measure, _words(Limit(row.rate_per_s, row.burst), measure), _words(plan, measure)),)


def _withdraw(ctx: Context, row: Override, answers: dict[str, Any]) -> Outcome:
    granting.withdraw(ctx, override_id=row.pk, reason=answers["reason"])
    return Outcome("The plan's limit holds again.")


def _tenant_id(row: Override | None, answers: dict[str, Any]) -> UUID | None:
    return owner_of(row) if row is not None else _tenant(answers).id


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
    verbs = (
        Verb(
            "grant",
            "Grant a limit",
            "platform.quota.change",
            run=_grant,
            icon="plus",
            form=GrantForm,
            creates=True,
            lead="Another limit than the plan's, for a time. One that stands for the same measure is replaced.",
            checked=True,
            compare=_granted,
            tenant_of=_tenant_id,
        ),
        Verb(
            "withdraw",
            "Withdraw",
            "platform.quota.change",
            run=_withdraw,
            icon="trash-2",
            form=ReasonForm,
            danger=True,
            consequences=lambda rows: ("The plan's limit holds again within seconds. It can be granted anew.",),
            checked=True,
            compare=_withdrawn,
            tenant_of=_tenant_id,
        ),
    )

    @admin.display(description="rate")
    def rate(self, obj: Override) -> shown.Amount:
        """Tokens in a second."""
        return shown.Amount(obj.rate_per_s, "per s")

    def trail(self, obj: Override) -> Trail:
        """The tenant's ledger tells of grants."""
        return Trail(owner_of(obj), (OverrideGranted.name, OverrideWithdrawn.name), "override_id", str(obj.pk))
