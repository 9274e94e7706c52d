"""Tenants in the admin: made, suspended, brought back and seen off, each with a reason on record."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.core import conf
from apps.core.admin import Change, Outcome, PlatformAdmin, ReasonForm, Trail, Verb, VerbForm, filters, shown
from apps.core.context import Context
from apps.core.ids import parse_id
from apps.tenants import services
from apps.tenants.events import TenantCreated, TenantPlanChanged, TenantSettingsChanged, TenantStatusChanged
from apps.tenants.models import Tenant
from apps.tenants.types import PLANS, IsolationTier, TenantStatus

TONES = {
    TenantStatus.ACTIVE: ("ok", "circle-check"),
    TenantStatus.SUSPENDED: ("warn", "ban"),
    TenantStatus.OFFBOARDING: ("warn", "log-out"),
    TenantStatus.CLOSED: ("neutral", "lock"),
}
TIERS = {
    IsolationTier.SHARED.value: "mt: shared, kept apart by the database",
    IsolationTier.DEDICATED.value: "st-ded: a database of its own",
    IsolationTier.AIR_GAPPED.value: "air-gapped: an installation of its own",
}


class NewTenantForm(VerbForm):
    """What a tenant begins with."""

    slug = forms.CharField(
        max_length=40,
        help_text="3 to 40 of a–z, 0–9 and -, starting with a letter. It stands in addresses and never changes.",
    )
    name = forms.CharField(max_length=120)
    home_region = forms.CharField(max_length=40, help_text="Where its data lives, such as eu-west-1.")
    allowed_regions = forms.CharField(
        max_length=200, required=False, help_text="Further regions that may serve it, separated by spaces."
    )
    isolation_tier = forms.ChoiceField(choices=list(TIERS.items()))
    plan = forms.ChoiceField(choices=[(plan, plan.capitalize()) for plan in PLANS])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["home_region"].initial = conf.get().region

    def clean_allowed_regions(self) -> tuple[str, ...]:
        """Return the regions one by one."""
        return tuple(self.cleaned_data["allowed_regions"].split())


def _create(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    made = services.create_tenant(ctx, **answers)
    return Outcome(f"Created the tenant {made.slug}. Add its first owner under Members.", made.id)


def _move(to: TenantStatus) -> Callable[[Context, Tenant, dict[str, Any]], Outcome]:
    def run(ctx: Context, tenant: Tenant, answers: dict[str, Any]) -> Outcome:
        before = tenant.status
        services.change_status(ctx, tenant_id=tenant.id, to=to, reason=answers["reason"])
        return Outcome(f"{tenant.slug} was {before} and is {to.value} now.", tenant.id)

    return run


class PlanForm(ReasonForm):
    """Which plan, and why."""

    plan = forms.ChoiceField(choices=[(plan, plan.capitalize()) for plan in PLANS])
    field_order = ("plan", "reason")


def _change_plan(ctx: Context, tenant: Tenant, answers: dict[str, Any]) -> Outcome:
    made = services.change_plan(ctx, tenant_id=tenant.id, plan=answers["plan"], reason=answers["reason"])
    return Outcome(f"{made.slug} is on the plan {made.plan} now.", made.id)


def _plan_changes(tenant: Tenant, answers: dict[str, Any]) -> Sequence[Change]:
    return (("plan", tenant.plan, answers["plan"]),) if tenant.plan != answers["plan"] else ()


def _only(*statuses: TenantStatus) -> Callable[[Tenant], str]:
    def unfit(tenant: Tenant) -> str:
        return "" if tenant.status in statuses else f"it is {tenant.status}"

    return unfit


def _named(objects: Sequence[Tenant]) -> str:
    return ", ".join(tenant.slug for tenant in objects)


@admin.register(Tenant)
class TenantAdmin(PlatformAdmin):
    """The tenants of this installation."""

    read_action = "platform.tenant.read"
    about = "Organisations that use the platform. Each keeps its own ledger, members and graph."
    empty = "No tenant exists so far. Create the first one."
    keyset = "slug"
    search_hint = "slug, part of the name, or id"
    list_display = ("slug", "name", "status_mark", "plan", "home_region", "isolation_tier", "created_at")
    list_matters = ("slug", "status_mark")
    list_filter = (
        filters.choice("status", "status", [(s.value, s.value) for s in TenantStatus]),
        filters.choice("plan", "plan", [(p, p) for p in ("starter", "pro", "enterprise")]),
        filters.choice("tier", "isolation_tier", [(t.value, t.value) for t in IsolationTier]),
    )
    detail = (
        ("Tenant", ("slug", "name", "status_mark", "plan", "isolation_tier", "created_at", "id_copy")),
        ("Where it lives", ("home_region", "allowed_regions")),
    )
    verbs = (
        Verb(
            "create",
            "Create a tenant",
            "platform.tenant.create",
            run=_create,
            icon="plus",
            form=NewTenantForm,
            creates=True,
            lead="The tenant is open at once. Its ledger begins with the record of this act.",
        ),
        Verb(
            "plan",
            "Change the plan",
            "platform.tenant.change",
            run=_change_plan,
            icon="credit-card",
            form=PlanForm,
            initial=lambda tenant: {"plan": tenant.plan},
            unfit=_only(TenantStatus.ACTIVE, TenantStatus.SUSPENDED),
            consequences=lambda objects: (
                f"The limits of {_named(objects)} follow the new plan within seconds. Limits granted beside it stay.",
            ),
            checked=True,
            compare=_plan_changes,
            tenant_of=lambda tenant, answers: tenant.id,
        ),
        Verb(
            "suspend",
            "Suspend",
            "platform.tenant.change",
            run=_move(TenantStatus.SUSPENDED),
            icon="ban",
            form=ReasonForm,
            danger=True,
            unfit=_only(TenantStatus.ACTIVE),
            consequences=lambda objects: (
                f"Members and API keys of {_named(objects)} are refused from the next request on.",
                "Nothing is deleted. It can be reactivated at any time.",
            ),
        ),
        Verb(
            "reactivate",
            "Reactivate",
            "platform.tenant.change",
            run=_move(TenantStatus.ACTIVE),
            icon="play",
            form=ReasonForm,
            unfit=_only(TenantStatus.SUSPENDED),
            consequences=lambda objects: (f"Members and API keys of {_named(objects)} may enter again at once.",),
        ),
        Verb(
            "offboard",
            "Begin offboarding",
            "platform.tenant.change",
            run=_move(TenantStatus.OFFBOARDING),
            icon="log-out",
            form=ReasonForm,
            danger=True,
            unfit=_only(TenantStatus.ACTIVE, TenantStatus.SUSPENDED),
            type_name=lambda tenant: tenant.slug,
            consequences=lambda objects: (
                f"{_named(objects)} can never be entered again by its members: offboarding has no way back.",
                "Its data stays until it is exported and erased; its ledger stays and goes on verifying.",
            ),
        ),
        Verb(
            "close",
            "Close",
            "platform.tenant.change",
            run=_move(TenantStatus.CLOSED),
            icon="lock",
            form=ReasonForm,
            danger=True,
            unfit=_only(TenantStatus.OFFBOARDING),
            type_name=lambda tenant: tenant.slug,
            consequences=lambda objects: (
                f"{_named(objects)} is closed for good. Close it only after its data was handed over and erased.",
            ),
        ),
    )

    @admin.display(description="status")
    def status_mark(self, obj: Tenant) -> shown.Mark:
        """The status with its tone."""
        return shown.Mark(obj.status, *TONES[TenantStatus(obj.status)])

    @admin.display(description="id")
    def id_copy(self, obj: Tenant) -> shown.Copyable:
        """The id, to copy."""
        return shown.Copyable(str(obj.id), "id")

    def found(self, request: HttpRequest, rows: QuerySet[Tenant], term: str) -> QuerySet[Tenant]:
        """By id, slug or a part of the name: tenants are few."""
        key = parse_id(term)
        return rows.filter(pk=key) if key else rows.filter(Q(slug__icontains=term) | Q(name__icontains=term))

    def trail(self, obj: Tenant) -> Trail:
        """The tenant's own ledger tells what became of it."""
        types = (TenantCreated, TenantStatusChanged, TenantPlanChanged, TenantSettingsChanged)
        return Trail(obj.id, tuple(one.name for one in types))
