"""The portal in the admin: what staff did here (the ledger holds the same for good), and what they proposed."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import Draft, Outcome, PlatformAdmin, ReasonForm, Trail, Verb, acting, filters, shown
from apps.core.clock import utc_now
from apps.core.context import Context
from apps.core.errors import Conflict
from apps.core.scope import PLATFORM_TENANT_ID
from apps.portal import services
from apps.portal.events import ProposalApplied, ProposalExpired, ProposalMade, ProposalRejected
from apps.portal.models import Proposal
from apps.portal.types import ProposalState


@admin.register(LogEntry)
class LogEntryAdmin(PlatformAdmin):
    """Acts of staff."""

    noun, nouns = "act of staff", "acts of staff"
    read_action = "platform.log.read"
    about = "What staff did in the admin. Each act is in the ledger too, where it can be proved."
    empty = "Nobody has done anything here so far."
    list_select_related = ("user", "content_type")
    list_display = ("action_time", "who", "what", "on", "message")
    list_matters = ("who", "message")
    detail = (("Act", ("action_time", "who", "what", "on", "message")),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Acts come with who did them and on what."""
        rows: QuerySet[LogEntry] = super().get_queryset(request)
        return rows.select_related("user", "content_type")

    @admin.display(description="who")
    def who(self, obj: LogEntry) -> str:
        """The member of staff."""
        return str(obj.user)

    @admin.display(description="what")
    def what(self, obj: LogEntry) -> shown.Mark:
        """Made or changed."""
        return (
            shown.Mark("made", "ok", "circle-plus")
            if obj.action_flag == ADDITION
            else shown.Mark("changed", "info", "pencil")
        )

    @admin.display(description="on")
    def on(self, obj: LogEntry) -> shown.Text:
        """The thing that it was done to."""
        return shown.Text(obj.object_repr, note=str(obj.content_type) if obj.content_type else "")

    @admin.display(description="how")
    def message(self, obj: LogEntry) -> str:
        """What happened, in a sentence."""
        return obj.get_change_message()


TONES = {
    ProposalState.OPEN: ("warn", "clock"),
    ProposalState.APPLIED: ("ok", "circle-check"),
    ProposalState.REJECTED: ("neutral", "ban"),
    ProposalState.EXPIRED: ("neutral", "clock"),
}


def _draft(row: Proposal) -> Draft:
    return Draft(
        row.model,
        row.verb,
        row.label,
        row.action,
        row.object_id,
        row.about,
        row.tenant_id,
        row.answers,
        [(str(what), str(before), str(after)) for what, before, after in row.changes],
    )


def _apply(ctx: Context, row: Proposal) -> str:
    page = next((one for model, one in admin.site._registry.items() if model._meta.label_lower == row.model), None)
    verb = next((one for one in getattr(page, "verbs", ()) if one.name == row.verb and one.checked), None)
    if not isinstance(page, PlatformAdmin) or verb is None or verb.action != row.action:
        raise Conflict("this release does not know the act any more", mend="Reject it.")
    return acting.run_again(page, ctx, verb, _draft(row)).message


def _approve(ctx: Context, row: Proposal, answers: dict[str, Any]) -> Outcome:
    said = services.approve(ctx, proposal_id=row.pk, apply=lambda held: _apply(ctx, held))
    return Outcome(f"Approved and applied. {said}", row.pk)


def _reject(ctx: Context, row: Proposal, answers: dict[str, Any]) -> Outcome:
    services.reject(ctx, proposal_id=row.pk, reason=answers["reason"])
    return Outcome("Rejected. Nothing was changed.", row.pk)


def _decided(row: Proposal) -> str:
    if row.state != ProposalState.OPEN:
        return f"it is {row.state} already"
    return "it has expired" if row.expires_at <= utc_now() else ""


@admin.register(Proposal)
class ProposalAdmin(PlatformAdmin):
    """Acts of staff that wait for a second person."""

    read_action = "platform.proposal.read"
    about = "What staff asked for and a second person decides on. Nobody approves what they proposed themselves."
    empty = "Nothing was proposed so far."
    list_display = ("what", "tenant", "state_mark", "maker", "made_at", "expires_at")
    list_matters = ("what", "state_mark")
    list_filter = (filters.choice("state", "state", [(s.value, s.value) for s in ProposalState]),)
    detail = (
        ("Proposal", ("what", "tenant", "why", "state_mark", "maker", "made_at", "expires_at")),
        ("Policy", ("verdict_rule", "verdict_reason", "verdict_revision")),
        ("Decision", ("decider", "decided_at", "outcome")),
    )
    verbs = (
        Verb(
            "approve",
            "Approve and apply",
            "platform.proposal.decide",
            run=_approve,
            icon="circle-check",
            unfit=_decided,
            consequences=lambda rows: tuple(
                f"{what}: {f'{before} becomes {after}' if before else after}"
                for row in rows
                for what, before, after in row.changes
            ),
        ),
        Verb(
            "reject",
            "Reject",
            "platform.proposal.decide",
            run=_reject,
            icon="ban",
            form=ReasonForm,
            unfit=_decided,
            consequences=lambda rows: ("Nothing is changed. It can be proposed anew.",),
        ),
    )

    def prepare(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Read who made and decided them, and whose they are, for all rows at once."""
        super().prepare(request, rows)
        names = self.roof.actor_labels({f"user:{key}" for row in rows for key in (row.made_by, row.decided_by) if key})
        slugs = self.roof.tenant_labels({row.tenant_id for row in rows if row.tenant_id})
        for row in rows:
            row.ig_maker = names.get(f"user:{row.made_by}", "")
            row.ig_decider = names.get(f"user:{row.decided_by}", "") if row.decided_by else ""
            row.ig_tenant = slugs.get(row.tenant_id, "")
            row.ig_tenant_opens = self.roof.opens(request, "tenants.tenant")

    def links(self, request: HttpRequest, verbs: Sequence[Verb], obj: Any = None) -> list[dict[str, Any]]:
        """Nobody is offered to approve their own."""
        found = super().links(request, verbs, obj)
        own = obj is not None and str(obj.made_by) == str(request.user.pk)
        return [one for one in found if not (own and one["verb"].name == "approve")]

    def panels(self, request: HttpRequest, obj: Proposal) -> Sequence[shown.Panel]:
        """What it changes: before and after."""
        rows = [(what, before or "–", after or "–") for what, before, after in obj.changes]
        return (shown.Panel("What it changes", ("What", "Before", "After"), rows, "It changes nothing."),)

    @admin.display(description="what")
    def what(self, obj: Proposal) -> str:
        """The act and what it is about."""
        return str(obj)

    @admin.display(description="tenant")
    def tenant(self, obj: Proposal) -> Any:
        """The tenant that it is about."""
        label = getattr(obj, "ig_tenant", "")
        opens = bool(label) and getattr(obj, "ig_tenant_opens", False)
        return shown.Link(label, self.address_of("tenants.tenant", obj.tenant_id)) if opens else label or None

    @admin.display(description="state")
    def state_mark(self, obj: Proposal) -> shown.Mark:
        """Where it stands; one that nobody decided on in time counts as expired at once."""
        late = obj.state == ProposalState.OPEN and obj.expires_at <= utc_now()
        state = ProposalState.EXPIRED if late else ProposalState(obj.state)
        return shown.Mark(state.value, *TONES[state])

    @admin.display(description="proposed by")
    def maker(self, obj: Proposal) -> str:
        """Who asked for it."""
        return getattr(obj, "ig_maker", "")

    @admin.display(description="decided by")
    def decider(self, obj: Proposal) -> Any:
        """Who decided."""
        return getattr(obj, "ig_decider", "") or None

    @admin.display(description="rule")
    def verdict_rule(self, obj: Proposal) -> str:
        """The rule of policy that let the maker ask for it."""
        return str(obj.verdict.get("rule", ""))

    @admin.display(description="why")
    def why(self, obj: Proposal) -> str:
        """What the maker gave as the reason, for whoever decides."""
        return " ".join(obj.answers.get("reason", ()))

    @admin.display(description="reason")
    def verdict_reason(self, obj: Proposal) -> str:
        """Why policy decided so."""
        return str(obj.verdict.get("reason", ""))

    @admin.display(description="revision of the rules")
    def verdict_revision(self, obj: Proposal) -> Any:
        """Which rules decided."""
        found = str(obj.verdict.get("revision", ""))
        return shown.Text(found[:16], code=True) if found else None

    def trail(self, obj: Proposal) -> Trail:
        """The platform's ledger tells of proposals."""
        types = (ProposalMade, ProposalApplied, ProposalRejected, ProposalExpired)
        return Trail(PLATFORM_TENANT_ID, tuple(one.name for one in types), "proposal_id", str(obj.pk))
