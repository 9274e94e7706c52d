"""Staff's times in tenants: who may act where, why and until when, and the verbs to begin and end it."""

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.core.admin import Outcome, PlatformAdmin, Trail, Verb, VerbForm, filters, shown, tenant_of
from apps.core.context import Context
from apps.core.errors import NotFound
from apps.core.ids import parse_id
from apps.core.scope import tenant_scope
from apps.identity import services
from apps.identity.events import ActingEnded, ActingStarted
from apps.identity.models import Acting
from apps.identity.services.acting import MINUTES
from apps.identity.types import ActingEnd
from apps.tenants import selectors as tenants


class ActForm(VerbForm):
    """Where, why, for how long."""

    tenant = forms.CharField(max_length=40, help_text="Slug or id of the tenant.")
    reason = forms.CharField(
        max_length=500,
        help_text="The tenant reads it, and it stands in its ledger for good. Name the ticket or who asked.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    minutes = forms.TypedChoiceField(
        label="For", coerce=int, initial=MINUTES[0], choices=[(n, f"{n} minutes") for n in MINUTES]
    )


def _begin(ctx: Context, answers: dict[str, Any], *, wide: bool) -> Outcome:
    key = parse_id(answers["tenant"])
    tenant = tenants.by_id(key) if key else tenants.by_slug(answers["tenant"])
    if tenant is None:
        raise NotFound(f"there is no tenant {answers['tenant']}", field="tenant")
    made = services.start_acting(ctx, tenant=tenant, reason=answers["reason"], minutes=answers["minutes"], wide=wide)
    return Outcome(f"You act in {tenant.slug} until {made.ends_at:%H:%M} UTC.", made.id)


def _act(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    return _begin(ctx, answers, wide=False)


def _act_widely(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    return _begin(ctx, answers, wide=True)


def _end(ctx: Context, row: Acting, answers: dict[str, Any]) -> Outcome:
    with tenant_scope(tenant_of(row)):
        services.end_acting(ctx, acting_id=row.id, how=ActingEnd.BY_STAFF)
    return Outcome(f"{row.staff_name} acts there no more.", row.pk)


def _over(row: Acting) -> str:
    return "it is over already" if row.ended_at is not None or row.ends_at <= timezone.now() else ""


@admin.register(Acting)
class ActingAdmin(PlatformAdmin):
    """Who of the staff acted in which tenant."""

    noun, nouns = "time in a tenant", "times in tenants"
    read_action = "platform.acting.read"
    about = "Staff enter a tenant for a reason and a time. The tenant sees it, and its ledger has beginning and end."
    empty = "Nobody acted in a tenant."
    tenant_column = "tenant_id"
    list_display = ("who", "tenant_label", "reason", "mode", "state", "started_at", "ends_at")
    list_matters = ("who", "state")
    list_filter = (filters.TenantFilter,)
    detail = (
        ("Acting", ("who", "tenant_label", "enter_link", "mode", "state", "reason")),
        ("Times", ("started_at", "ends_at", "ended_at")),
    )
    verbs = (
        Verb(
            "act",
            "Act in a tenant",
            "platform.tenant.act",
            run=_act,
            icon="log-in",
            form=ActForm,
            creates=True,
            lead="You read there as a reader does. It ends by itself; where else you act ends now.",
        ),
        Verb(
            "act-widely",
            "Act as an analyst",
            "platform.tenant.act_widely",
            run=_act_widely,
            icon="square-pen",
            form=ActForm,
            creates=True,
            lead="You read and write there as an analyst does, under your own name. Only where reading does not do.",
        ),
        Verb(
            "end",
            "End it",
            "platform.tenant.act",
            run=_end,
            icon="log-out",
            danger=True,
            unfit=_over,
            consequences=lambda rows: ("The tenant is closed to them from the next request on.",),
        ),
    )

    def label_of(self, obj: Acting) -> str:
        """Who, and where."""
        return f"{obj.staff_name} in {getattr(obj, 'ig_tenant_label', obj.tenant_id)}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Acting]:
        """All of them."""
        return cast("QuerySet[Acting]", super().get_queryset(request))

    @admin.display(description="who")
    def who(self, obj: Acting) -> str:
        """Whose time it is."""
        return obj.staff_name

    @admin.display(description="may")
    def mode(self, obj: Acting) -> str:
        """What they may do there."""
        return "read and write" if obj.wide else "read"

    @admin.display(description="state")
    def state(self, obj: Acting) -> shown.Mark:
        """Whether it goes on."""
        if not _over(obj):
            return shown.Mark("acts now", "warn", "log-in")
        return shown.Mark(obj.ended_how or ActingEnd.EXPIRED.value, "neutral", "clock")

    @admin.display(description="portal")
    def enter_link(self, obj: Acting) -> Any:
        """Where to act."""
        slug = getattr(obj, "ig_tenant_label", "")
        return shown.Link("Open the tenant", f"/t/{slug}/") if slug and not _over(obj) else None

    def trail(self, obj: Acting) -> Trail:
        """The tenant's ledger tells of it."""
        return Trail(tenant_of(obj), (ActingStarted.name, ActingEnded.name), "acting_id", str(obj.pk))
