"""Limits of a tenant: what is used of each now, when it is whole again, and what the plan or an override allows."""

from dataclasses import dataclass
from math import ceil

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.core.context import Context
from apps.core.errors import NotFound
from apps.portal import door, figures
from apps.portal.types import Meter
from apps.quotas import selectors as quotas
from apps.quotas.types import Measure, Standing, Verdict
from apps.tenants import selectors as tenants

WORDS: dict[Measure, tuple[str, str, str]] = {
    Measure.API: ("API calls", "calls", "GraphQL operations and REST calls"),
    Measure.INGEST: ("Rows brought in", "rows", "rows of imports"),
    Measure.DELIVERIES: (
        "Live updates",
        "updates",
        "changes pushed to open connections, each counted once however many follow it",
    ),
}
"""Measure to heading, unit, what is counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """A limit as the page shows it."""

    stands: Standing
    title: str
    unit: str
    counts: str
    meter: Meter | None
    full_in_s: int
    headers: str

    @property
    def rate(self) -> str:
        """The flow in words: `100 calls a second`."""
        return f"{self.stands.limit.rate_per_s:,g} {self.unit} a second"

    @property
    def plan_rate(self) -> str:
        """What the plan alone would let flow."""
        return f"{self.stands.by_plan.rate_per_s:,g} {self.unit} a second"


def line_of(stands: Standing) -> Line:
    """Return a limit in words, with the headers that a program would be told now."""
    title, unit, counts = WORDS[stands.measure]
    meter, headers = None, ""
    if stands.left is not None:
        window = f"whole again {figures.plural(stands.limit.window_s, 'second')} after it is empty"
        meter = Meter("Used now", round(stands.used), stands.limit.burst, unit, window)
        told = quotas.rate_headers(stands.measure, Verdict(True, stands.limit, int(stands.left), stands.full_in_s))
        headers = "\n".join(f"{name}: {value}" for name, value in told.items())
    return Line(stands, title, unit, counts, meter, ceil(stands.full_in_s), headers)


@require_safe
@door.tenant_page("quotas.usage.read", "limits")
def limits(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The tenant's limits, as they stand at this moment."""
    tenant = tenants.by_slug(ctx.tenant_slug)
    if tenant is None:
        raise NotFound("no such tenant")
    lines = [line_of(stands) for stands in quotas.standing(ctx)]
    return render(
        request,
        "portal/limits.html",
        {
            "lines": lines,
            "unknown": any(line.meter is None for line in lines),
            "plan": tenant.plan.capitalize(),
            "plans": quotas.catalogue(),
            "current": tenant.plan.lower(),
            "now": ctx.now,
            "slug": ctx.tenant_slug,
        },
    )
