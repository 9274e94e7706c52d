"""Verbs of limits that differ from the plan's: granted for a time and a reason, withdrawn at once. For platform staff."""

from datetime import timedelta
from math import isfinite
from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import InvalidInput, NotFound
from apps.core.ids import new_id
from apps.core.scope import system_scope
from apps.quotas.events import OverrideGranted, OverrideWithdrawn
from apps.quotas.models import Override
from apps.quotas.types import Limit, Measure
from apps.tenants import selectors as tenants

MAX_RATE = 1_000_000.0
MAX_BURST = 100_000_000
LONGEST = timedelta(days=366)


def grant(ctx: Context, *, tenant_id: UUID, measure: Measure, limit: Limit, lasts: timedelta, reason: str) -> UUID:
    """Give a tenant another limit from now on, for a time; one that stood is replaced. Returns its id.

    It takes effect within 5 seconds and ends by itself. Raises NotFound, InvalidInput.
    """
    if not (isfinite(limit.rate_per_s) and 0 < limit.rate_per_s <= MAX_RATE):
        raise InvalidInput(f"the rate must be above 0 and at most {MAX_RATE:,.0f} a second", field="rate_per_s")
    if not 1 <= limit.burst <= MAX_BURST:
        raise InvalidInput(f"what fits at once must be 1 to {MAX_BURST:,}", field="burst")
    if not timedelta(0) < lasts <= LONGEST:
        raise InvalidInput(f"it must last, and at most {LONGEST.days} days", field="days")
    if not reason.strip():
        raise InvalidInput("a reason is needed", field="reason")
    if tenants.by_id(tenant_id) is None:
        raise NotFound("no such tenant", field="tenant")
    until = ctx.now + lasts
    with system_scope("quotas.manage"), transaction.atomic(using="system"):
        row, _ = Override.objects.update_or_create(
            tenant_id=tenant_id,
            measure=measure.value,
            defaults={
                "rate_per_s": limit.rate_per_s,
                "burst": limit.burst,
                "until": until,
                "reason": reason.strip(),
                "created_by": ctx.actor.ref,
            },
            create_defaults={
                "id": new_id(),
                "rate_per_s": limit.rate_per_s,
                "burst": limit.burst,
                "until": until,
                "reason": reason.strip(),
                "created_by": ctx.actor.ref,
            },
        )
        event = OverrideGranted(row.id, measure.value, f"{limit.rate_per_s:g}", limit.burst, until, reason.strip())
        bus.record(ctx, event, tenant_id=tenant_id)
    return UUID(str(row.id))


def withdraw(ctx: Context, *, override_id: UUID, reason: str) -> None:
    """Let the plan's limit hold again. Raises NotFound, InvalidInput without a reason."""
    if not reason.strip():
        raise InvalidInput("a reason is needed", field="reason")
    with system_scope("quotas.manage"), transaction.atomic(using="system"):
        row = Override.objects.select_for_update().filter(id=override_id).first()
        if row is None:
            raise NotFound("no such limit")
        event = OverrideWithdrawn(row.id, row.measure, reason.strip())
        bus.record(ctx, event, tenant_id=row.tenant_id)
        row.delete()
