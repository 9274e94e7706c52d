"""Access: what policy decided and why, and from which countries sessions are admitted."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput, NotFound, StaleVersion
from apps.core.ids import parse_id
from apps.core.sockets import ACTIONS
from apps.policy import selectors
from apps.policy import services as policy
from apps.policy.types import DecisionInfo, Outcome
from apps.portal import actors, door, errors
from apps.portal.context import density_of
from apps.portal.forms import FenceForm
from apps.portal.tables import ListQuery, Table
from apps.portal.types import Badge, Cell, Column, Crumb, Empty, Filter, Option, Row, Tone

PAGE = 50
LOOK = {
    Outcome.ALLOW.value: Badge("allowed", Tone.OK, "circle-check"),
    Outcome.DENY.value: Badge("refused", Tone.DANGER, "ban"),
    Outcome.STEP_UP.value: Badge("second factor asked", Tone.WARN, "shield"),
}
FACTS = {"actor": "kind of caller", "second_factor_age_s": "second factor", "device_trusted": "device trusted"}


@require_safe
@door.tenant_page("policy.decision.read", "access")
def access(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The decisions, newest first, and the fence."""
    fence = selectors.fence()
    form = FenceForm(initial={"countries": " ".join(sorted(fence.countries)), "version": fence.version})
    return _page(request, ctx, form)


@require_POST
@door.tenant_page("policy.fence.manage", "access")
def fence(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Draw the fence anew."""
    form = FenceForm(request.POST)
    if form.is_valid():
        try:
            policy.set_fence(
                ctx,
                countries=form.cleaned_data["countries"],
                expected_version=form.cleaned_data["version"],
                reason=form.cleaned_data["reason"],
            )
        except StaleVersion:
            form.add_error(None, "Somebody changed the countries meanwhile. Load this page anew to see them.")
            return _page(request, ctx, form, status=409)
        except (InvalidInput, Conflict) as error:
            form.add_error(error.field if error.field in form.fields else None, errors.sentences(error))
        else:
            messages.success(request, "Saved. It holds from now on, and the change is in your ledger.")
            return HttpResponseRedirect(reverse("portal:access", args=[ctx.tenant_slug]))
    return _page(request, ctx, form)


def _page(request: HttpRequest, ctx: Context, form: FenceForm, *, status: int = 0) -> HttpResponse:
    path = reverse("portal:access", args=[ctx.tenant_slug])
    query = ListQuery.parse(path, request.GET.dict(), filters=("outcome",), sorts=())
    chosen = query.filters.get("outcome", "")
    before = parse_id(query.after) if query.after else None
    if (query.after and before is None) or (chosen and chosen not in LOOK):
        raise InvalidInput("this list has no such part", field="after" if query.after else "outcome")
    found = selectors.decisions(ctx, outcome=chosen, before=before, first=PAGE + 1)
    names = actors.names_of(ctx, {one.actor for one in found})
    table = Table(
        id="decisions",
        caption="Decisions",
        query=query,
        columns=(
            Column("action", "Asked for", matters=True, optional=False),
            Column("outcome", "Outcome", matters=True, tight=True),
            Column("actor", "Who"),
            Column("rule", "Rule"),
            Column("at", "When", tight=True),
        ),
        rows=tuple(_row(ctx, one, names) for one in found[:PAGE]),
        empty=Empty("No decision of this kind", "Refusals and grave acts will be here, each with its reason.", "scale"),
        filters=(Filter("outcome", "Outcome", tuple(Option(key, look.label) for key, look in LOOK.items()), chosen),),
        next_cursor=str(found[PAGE - 1].id) if len(found) > PAGE else "",
        noun="decision",
        density=density_of(request),
    )
    return render(
        request,
        "portal/access.html",
        {
            "table": table,
            "form": form,
            "fence": sorted(selectors.fence().countries),
            "here": ctx.session.country,
            "manage": door.may(ctx, "policy.fence.manage"),
            "revision": selectors.revision(),
            "slug": ctx.tenant_slug,
        },
        status=status or (422 if form.errors else 200),
    )


def _row(ctx: Context, entry: DecisionInfo, names: dict[str, str]) -> Row:
    return Row(
        str(entry.id),
        {
            "action": Cell(entry.action, href=reverse("portal:decision", args=[ctx.tenant_slug, entry.id]), code=True),
            "outcome": Cell(badge=LOOK[entry.outcome]),
            "actor": Cell(names.get(entry.actor, entry.actor)),
            "rule": Cell(entry.rule, note=entry.reason),
            "at": Cell(at=entry.at),
        },
    )


@require_safe
@door.tenant_page("identity.self.read", "access")
def decision(request: HttpRequest, ctx: Context, decision_id: UUID) -> HttpResponse:
    """Why one decision fell as it did. Everyone may ask about their own."""
    entry = selectors.decision(ctx, decision_id)
    reads_all = policy.decide(ctx, "policy.decision.read").allow
    if entry is None or (entry.actor != ctx.actor.ref and not reads_all):
        raise NotFound("there is no such decision")
    now = selectors.again(entry)
    facts = [
        (FACTS.get(name, name.replace("_", " ")), _words(name, value)) for name, value in sorted(entry.facts.items())
    ]
    crumbs = (Crumb("Access", reverse("portal:access", args=[ctx.tenant_slug])),) if reads_all else ()
    return render(
        request,
        "portal/decision.html",
        {
            "entry": entry,
            "about": ACTIONS.get(entry.action).about if entry.action in ACTIONS else "",
            "who": actors.names_of(ctx, {entry.actor}).get(entry.actor, entry.actor),
            "badge": LOOK[entry.outcome],
            "facts": facts,
            "redact": sorted(entry.redact.items()),
            "now": now,
            "now_badge": LOOK[now.outcome.value] if now is not None else None,
            "same": now is not None and now.outcome.value == entry.outcome,
            "crumbs": crumbs,
            "slug": ctx.tenant_slug,
        },
    )


def _words(name: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    if name == "second_factor_age_s":
        return "none given" if value is None else f"{value} seconds before"
    if name == "scopes":
        return "no limit beyond the roles"
    return "not known" if value is None or value == "" else str(value)
