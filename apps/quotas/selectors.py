"""Reads of quotas: the limit that holds for a tenant now."""

import time
from contextlib import suppress
from math import ceil
from threading import Lock
from uuid import UUID

from apps.core.clock import utc_now
from apps.core.context import Context
from apps.core.scope import require_tenant_id, tenant_scope
from apps.core.statements import run_prepared
from apps.quotas import store
from apps.quotas.headers import rate_headers
from apps.quotas.models import Override
from apps.quotas.plans import LOWEST, catalogue, limit_of
from apps.quotas.types import Limit, Measure, Standing, Usage
from apps.tenants.selectors import by_id

_HELD = """
select measure, rate_per_s, burst from quotas_override where tenant_id = %s and (until is null or until > %s)
"""
KEPT_S = 5.0
_kept: dict[UUID, tuple[float, dict[Measure, Limit]]] = {}
_lock = Lock()


def _read(tenant_id: UUID) -> dict[Measure, Limit]:
    tenant = by_id(tenant_id)
    limits = {measure: limit_of(tenant.plan if tenant else LOWEST, measure) for measure in Measure}
    with tenant_scope(tenant_id):
        for measure, rate_per_s, burst in run_prepared("default", _HELD, (tenant_id, utc_now())):
            limits[Measure(measure)] = Limit(rate_per_s, burst)
    return limits


def limits_for(tenant_id: UUID) -> dict[Measure, Limit]:
    """Return the tenant's limits: the plan's, or an override's while it lasts. A change takes effect within 5 s."""
    now = time.monotonic()
    with _lock:
        found = _kept.get(tenant_id)
    if found is None or now - found[0] > KEPT_S:
        found = (now, _read(tenant_id))
        with _lock:
            _kept[tenant_id] = found
    return found[1]


def limit_of_plan(plan: str, measure: Measure) -> Limit:
    """Return what a plan alone allows."""
    return limit_of(plan, measure)


def limit_now(tenant_id: UUID, measure: Measure) -> Limit:
    """Return the limit that holds for a tenant, read now."""
    return _read(tenant_id)[measure]


def forget_limits() -> None:
    """Drop the limits kept in this process, so that the next call reads them."""
    with _lock:
        _kept.clear()


def standing(ctx: Context) -> list[Standing]:
    """Return how the tenant in scope stands against each of its limits now, read without taking anything."""
    tenant = by_id(require_tenant_id())
    plan = tenant.plan if tenant else LOWEST
    held = {Measure(row.measure): row for row in overrides(ctx) if row.until is None or row.until > ctx.now}
    limits = {}
    for measure in Measure:
        row = held.get(measure)
        limits[measure] = Limit(row.rate_per_s, row.burst) if row else limit_of(plan, measure)
    left: dict[str, float] = {}
    with suppress(*store.StoreError):  # without Redis the limits are still told, and that use is not known
        left = store.look(f"t:{require_tenant_id()}", {measure.value: limit for measure, limit in limits.items()})
    return [
        Standing(
            measure,
            limit,
            limit_of(plan, measure),
            left.get(measure.value),
            held[measure].reason if measure in held else "",
            held[measure].until if measure in held else None,
        )
        for measure, limit in limits.items()
    ]


def usage(ctx: Context) -> tuple[Usage, ...]:
    """Return what the tenant in scope uses of each limit now; cheap enough to ask every second.

    The limits may be up to KEPT_S old; nothing is taken. What processes hold on lease counts as used.
    """
    tenant_id = require_tenant_id()
    limits = limits_for(tenant_id)
    left: dict[str, float] = {}
    with suppress(*store.StoreError):
        left = store.look(f"t:{tenant_id}", {measure.value: limit for measure, limit in limits.items()})
    return tuple(
        Usage(measure, limit, ceil(limit.burst - left[measure.value]) if measure.value in left else None)
        for measure, limit in limits.items()
    )


def overrides(ctx: Context) -> list[Override]:
    """Return the overrides of the tenant in scope."""
    return list(Override.objects.order_by("measure"))


__all__ = ["catalogue", "limits_for", "rate_headers", "standing", "usage"]
