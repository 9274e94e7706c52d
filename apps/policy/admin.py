"""The log of decisions, fences and signals in the admin: to look at and to ask why."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import PlatformAdmin, filters, shown
from apps.core.ids import parse_id
from apps.policy.models import DecisionEntry, Fence, SignalEntry
from apps.policy.replay import again
from apps.policy.types import Outcome, SignalKind, Stage

_LOOK = {
    Outcome.ALLOW: ("allowed", "ok", "circle-check"),
    Outcome.DENY: ("refused", "danger", "ban"),
    Outcome.STEP_UP: ("second factor asked", "warn", "shield"),
}


def _mark(outcome: str) -> shown.Mark:
    return shown.Mark(*_LOOK[Outcome(outcome)])


@admin.register(DecisionEntry)
class DecisionAdmin(PlatformAdmin):
    """Decisions as they fell."""

    noun, nouns = "decision", "decisions"
    read_action = "platform.policy.read"
    about = (
        "What policy decided and why: all refusals and step-ups, all allows of grave actions, one of a hundred others. "
        "Kept for 90 days."
    )
    empty = "Nothing was decided that is logged."
    tenant_column = "tenant_id"
    keyset = "-id"
    search_hint = "decision id or request id"
    list_display = ("action", "verdict", "rule", "tenant_label", "actor_label", "at")
    list_matters = ("action", "verdict")
    list_filter = (
        filters.TenantFilter,
        filters.choice("outcome", "outcome", [(o.value, _LOOK[o][0]) for o in Outcome]),
        filters.choice("question", "stage", [(s.value, s.value) for s in Stage]),
    )
    detail = (
        ("Decision", ("action", "verdict", "reason", "rule", "matched", "withheld")),
        ("Asked by", ("tenant_label", "actor_label", "actor", "purpose", "seen")),
        ("Now", ("present",)),
        ("Trail", ("at", "revision", "request_id", "trace_id", "share", "id_copy")),
    )

    def found(self, request: HttpRequest, rows: QuerySet[DecisionEntry], term: str) -> QuerySet[DecisionEntry]:
        """By the id that a refusal names, or by the request's."""
        key = parse_id(term)
        by_id = rows.filter(pk=key) if key else rows.none()
        return by_id if key and by_id.exists() else rows.filter(request_id=term)

    def prepare(self, request: HttpRequest, rows: Sequence[DecisionEntry]) -> None:
        """Read who asked, for all rows at once."""
        super().prepare(request, rows)
        names = self.roof.actor_labels({row.actor for row in rows})
        for row in rows:
            row.__dict__["ig_actor"] = names.get(row.actor, row.actor)

    @admin.display(description="who")
    def actor_label(self, obj: DecisionEntry) -> str:
        """Who asked, in words."""
        return str(obj.__dict__["ig_actor"])

    @admin.display(description="outcome")
    def verdict(self, obj: DecisionEntry) -> shown.Mark:
        """What was decided."""
        return _mark(obj.outcome)

    @admin.display(description="rules that matched")
    def matched(self, obj: DecisionEntry) -> str:
        """Every rule that matched."""
        return ", ".join(obj.hits) or "none"

    @admin.display(description="altered or withheld")
    def withheld(self, obj: DecisionEntry) -> str:
        """The obligations: in what form data that the caller is not cleared for is shown."""
        return ", ".join(f"{name}: {form}" for name, form in sorted(obj.redact.items())) or "nothing"

    @admin.display(description="facts")
    def seen(self, obj: DecisionEntry) -> str:
        """What the rules saw of the caller."""
        return "; ".join(f"{name.replace('_', ' ')}: {_words(value)}" for name, value in sorted(obj.facts.items()))

    @admin.display(description="asked again of the present rules")
    def present(self, obj: DecisionEntry) -> Any:
        """Whether the rules of now decide alike."""
        now = again(obj)
        if now is None:
            return "signals of a session belong to their moment; they are not asked again"
        return f"{_LOOK[now.outcome][0]}: {now.reason} (revision {now.revision})"

    @admin.display(description="id")
    def id_copy(self, obj: DecisionEntry) -> shown.Copyable:
        """The id, as the refusal named it."""
        return shown.Copyable(str(obj.pk), "id")


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "unknown" if value in (None, "") else str(value)


@admin.register(Fence)
class FenceAdmin(PlatformAdmin):
    """Fences of tenants."""

    noun, nouns = "fence", "fences"
    read_action = "platform.policy.read"
    about = "From which countries tenants admit sessions. A tenant that is not here admits all."
    empty = "No tenant has a fence."
    tenant_column = "tenant_id"
    list_display = ("tenant_label", "admitted", "version", "changed_by", "changed_at")
    list_matters = ("tenant_label", "admitted")
    list_numeric = ("version",)
    list_filter = (filters.TenantFilter,)
    detail = (("Fence", ("tenant_label", "admitted", "version", "changed_by", "changed_at")),)

    @admin.display(description="countries")
    def admitted(self, obj: Fence) -> str:
        """The countries, or that there is no fence."""
        return ", ".join(obj.countries) or "all"


@admin.register(SignalEntry)
class SignalAdmin(PlatformAdmin):
    """What identity providers told, and what was noticed of travel."""

    noun, nouns = "signal", "signals"
    read_action = "platform.policy.read"
    about = "Security events of tenants' identity providers (CAEP, RISC), and impossible travel. The latest of a kind counts."
    empty = "No identity provider has told anything."
    tenant_column = "tenant_id"
    keyset = "-id"
    list_display = ("kind", "value", "subject", "tenant_label", "issuer", "at")
    list_matters = ("kind", "value")
    list_filter = (
        filters.TenantFilter,
        filters.choice("kind", "kind", [(k.value, k.value) for k in SignalKind]),
    )
    detail = (("Signal", ("kind", "value", "subject", "tenant_label", "at", "received_at", "issuer", "jti")),)
