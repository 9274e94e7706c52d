"""The auditors' home: what there is to verify, in every tenant that the viewer may audit, and how to do it without us."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound, RateLimited
from apps.core.scope import require_tenant_id
from apps.ledger import selectors as ledger
from apps.ledger.types import CheckpointRow, TenantHead
from apps.portal import door, figures, rooms
from apps.portal.types import Code, Crumb
from apps.portal.views.developers import base_url
from apps.portal.views.ledger import export_commands, script_commands
from apps.quotas import services as quotas
from apps.quotas.types import Measure
from apps.tenants import services as tenancy
from apps.tenants.types import TenantInfo
from apps.vault import services as vault

MOST_HERE = 20_000
"""Records of a ledger that is verified while the viewer waits; a longer one is downloaded and verified offline."""
MOST_ITEMS_HERE = 200_000
VERIFYING_COSTS = 100
"""Calls of the tenant's limit that one verification counts as."""


@dataclass(frozen=True, slots=True)
class Audited:
    """A ledger on the page. `uncovered` records are newer than the newest checkpoint."""

    tenant: TenantInfo
    roles: tuple[str, ...]
    head: TenantHead | None
    checkpoint: CheckpointRow | None
    uncovered: int
    closed: str = ""


def _audited(place: rooms.Place) -> Audited:
    roles = tuple(sorted(place.ctx.roles))
    if place.closed:
        return Audited(place.tenant, (), None, None, 0, place.closed)
    with tenancy.enter(place.ctx):
        head, checkpoint = ledger.head(place.tenant.id), ledger.newest_checkpoint(place.tenant.id)
    uncovered = (head.number if head else 0) - (checkpoint.size if checkpoint else 0)
    return Audited(place.tenant, roles, head, checkpoint, max(0, uncovered))


@require_safe
@door.account_page(room="audit")
def audit(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The ledgers of the viewer's tenants, how far they are signed, and what to take home."""
    found = [one for one in rooms.places_of(request, ctx) if one.closed or one.may(rooms.AUDIT_ACTION)]
    ledgers = [_audited(one) for one in found]
    opened = [one for one in ledgers if not one.closed]
    slug = opened[0].tenant.slug if opened else "your-tenant"
    return render(
        request,
        "portal/audit.html",
        {
            "ledgers": ledgers,
            "opened": opened,
            "keys": f"curl -sO {base_url()}/.well-known/intelgraph/keys.json",
            "verify": (
                Code("A whole ledger", export_commands(slug).splitlines()[-1]),
                Code("One record", "ig-ledger verify record-1.proof.json --keys keys.json"),
                Code("Without installing anything", script_commands(slug)),
            ),
        },
    )


@require_safe
@door.account_page(room="audit")
def proof(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Lead to the proof of a record by its tenant and number, as the form of the page asks for it."""
    number, slug = request.GET.get("number", "").strip(), request.GET.get("tenant", "")
    known = {one.tenant.slug for one in rooms.places_of(request, ctx) if one.may("ledger.record.read")}
    if slug not in known:
        raise NotFound("no such tenant")
    if not (number.isascii() and number.isdigit() and 0 < len(number) < 19 and int(number)):
        raise InvalidInput("a record’s number is a whole number from 1", field="number", mend="Go back and enter it.")
    return HttpResponseRedirect(reverse("portal:proof", args=[slug, int(number)]))


@require_POST
@door.tenant_page("ledger.record.read", "ledger")
def verify(request: HttpRequest, ctx: Context) -> HttpResponse:
    """Verify the tenant's ledger now: rows, numbers, chain, signatures, and the copies of its checkpoints."""
    records, items = ledger.weight(require_tenant_id(), up_to=MOST_HERE + 1)
    if records > MOST_HERE or items > MOST_ITEMS_HERE:
        raise InvalidInput(
            f"this ledger is too long to be verified while you wait ({figures.grouped(records)} records or more)",
            mend="Download it, and verify it on your own machine: the page of the ledger says how.",
        )
    verdict = quotas.consume(ctx, Measure.API, VERIFYING_COSTS)
    if not verdict.allowed:
        raise RateLimited("your tenant’s calls are used up", retry_after_s=verdict.retry_after_s)
    (result,), _ = vault.verify_ledgers(tenant_ids=[require_tenant_id()])
    return render(
        request,
        "portal/verified.html",
        {
            "result": result,
            "at": ctx.now,
            "crumbs": (Crumb("Ledger", reverse("portal:ledger", args=[ctx.tenant_slug])),),
            "may_export": door.may(ctx, rooms.AUDIT_ACTION),
            "slug": ctx.tenant_slug,
        },
    )
