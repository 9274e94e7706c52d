"""Verbs of quotas: take tokens before work is done.

Each process takes a small lease of tokens from the tenant's bucket in Redis and serves from it, so most calls cost
no round trip. When Redis is away the gateway stays open (stated choice: a cache's failure must not stop customers):
each process then counts alone against the tenant's full limit, says so in the verdict, and asks Redis again after a
second.
"""

import time
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

from prometheus_client import Counter

from apps.core.context import Context
from apps.core.telemetry import get_logger
from apps.quotas import store
from apps.quotas.buckets import Bucket, lease_size
from apps.quotas.plans import ANONYMOUS
from apps.quotas.selectors import limits_for
from apps.quotas.types import Limit, Measure, Verdict

log = get_logger(__name__)

LEASE_S = 1.0
RETRY_STORE_S = 1.0
MAX_SUBJECTS = 20_000

REFUSED = Counter("ig_quota_refused_total", "Calls refused because the quota was used up", ["measure"])
DEGRADED = Counter("ig_quota_degraded_total", "Calls counted by this process alone because Redis was away", ["measure"])


@dataclass(slots=True)
class _Lease:
    """What this process holds of a subject's tokens."""

    held: int = 0
    until_s: float = 0.0
    left: float = 0.0
    refused_until_s: float = 0.0
    ready_at_s: float = 0.0
    alone: Bucket | None = None


_leases: dict[tuple[str, Measure], _Lease] = {}
_lock = Lock()
_store_away_until = 0.0


def _verdict(limit: Limit, lease: _Lease, allowed: bool, wait_s: float = 0.0, degraded: bool = False) -> Verdict:
    left = lease.left + lease.held
    return Verdict(allowed, limit, int(left), max(0.0, (limit.burst - left) / limit.rate_per_s), wait_s, degraded)


def take(subject: str, limit: Limit, measure: Measure, cost: int = 1) -> Verdict:
    """Take `cost` tokens for a subject, such as `t:<tenant id>`, from this process's lease or the shared bucket."""
    global _store_away_until
    now = time.monotonic()
    with _lock:
        if len(_leases) > MAX_SUBJECTS:
            _leases.clear()
        lease = _leases.setdefault((subject, measure), _Lease())
        if lease.held >= cost and now < lease.until_s:
            lease.held -= cost
            return _verdict(limit, lease, True)
        if now < lease.refused_until_s and cost >= 1:
            REFUSED.labels(measure.value).inc()
            return _verdict(limit, lease, False, max(0.0, lease.ready_at_s - now))
        away = now < _store_away_until
    if not away:
        try:
            taken, left = store.take(subject, measure.value, limit, cost, lease_size(limit, cost))
        except store.StoreError as error:
            log.warning("quota is counted by this process alone", error=type(error).__name__)
            _store_away_until = now + RETRY_STORE_S
        else:
            return _settle(lease, limit, measure, cost, taken, left, now)
    return _alone(lease, limit, measure, cost, now)


def _settle(lease: _Lease, limit: Limit, measure: Measure, cost: int, taken: int, left: float, now: float) -> Verdict:
    with _lock:
        lease.alone, lease.left = None, left
        if taken:
            kept = lease.held if now < lease.until_s else 0
            lease.held, lease.until_s = kept + taken - cost, now + LEASE_S
            return _verdict(limit, lease, True)
        lease.held = 0
        wait_s = (cost - left) / limit.rate_per_s
        lease.ready_at_s = now + wait_s
        lease.refused_until_s = now + min(wait_s, 0.05)  # spares Redis a flood of refused calls
    REFUSED.labels(measure.value).inc()
    return _verdict(limit, lease, False, wait_s)


def _alone(lease: _Lease, limit: Limit, measure: Measure, cost: int, now: float) -> Verdict:
    DEGRADED.labels(measure.value).inc()
    with _lock:
        if lease.alone is None:
            lease.alone = Bucket(float(limit.burst), now)
        allowed = lease.alone.take(limit, cost, now)
        lease.held, lease.left = 0, lease.alone.tokens
        wait_s = 0.0 if allowed else lease.alone.wait_s(limit, cost)
    if not allowed:
        REFUSED.labels(measure.value).inc()
    return _verdict(limit, lease, allowed, wait_s, degraded=True)


def consume(ctx: Context, measure: Measure = Measure.API, cost: int = 1) -> Verdict:
    """Take `cost` tokens for the caller: from its tenant's bucket, or, for a caller without a tenant, from the
    bucket of its address."""
    if ctx.tenant_id is not None:
        return take(f"t:{ctx.tenant_id}", limits_for(ctx.tenant_id)[measure], measure, cost)
    return take(f"ip:{ctx.session.ip or 'unknown'}", ANONYMOUS, measure, cost)


def show_left(tenant_id: UUID, measure: Measure, limit: Limit, tokens: float) -> None:
    """Show how much a tenant has left of what a process counts by itself. Without Redis nobody is shown it."""
    try:
        store.put(f"t:{tenant_id}", measure.value, limit, tokens)
    except store.StoreError as error:
        log.warning("what is left of a limit is not shown", error=type(error).__name__)
