"""Who evaluates what: counted in memory, written by the thread that keeps the flags fresh, never by a caller.

A process that is killed loses what it counted in the last WRITE_S: usage finds stale flags, it bills nobody.
"""

import threading
import time
from collections import defaultdict
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connections, transaction
from prometheus_client import Counter
from psycopg_pool import PoolTimeout

from apps.core.clock import utc_now
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.core.telemetry import get_logger
from apps.flags.types import Evaluation

log = get_logger(__name__)

WRITE_S = 5.0
MOST = 20_000
"""Combinations of flag, answer and tenant that are told apart between two writes; the others count for the platform."""
UNKNOWN = "unknown"

EVALUATIONS = Counter(
    "ig_flag_evaluations_total",
    "Evaluations by flag, variant and reason; flags that the registry does not hold count as unknown",
    ["flag", "variant", "reason"],
)

_NOTE = """
insert into flags_usage (scope_id, key, evaluations, first_seen, last_seen)
values (%s, %s, %s, %s, %s)
on conflict (scope_id, key) do update
set evaluations = flags_usage.evaluations + excluded.evaluations,
    last_seen = greatest(flags_usage.last_seen, excluded.last_seen)
"""

_lock = threading.Lock()
_counts: dict[tuple[Evaluation, UUID | None], int] = {}
_state = {"due": 0.0}


def note(evaluation: Evaluation, tenant_id: UUID | None) -> None:
    """Count an evaluation."""
    key = (evaluation, tenant_id)
    with _lock:
        known = _counts.get(key)
        if known is not None:
            _counts[key] = known + 1
        elif len(_counts) < MOST:
            _counts[key] = 1
        else:
            _counts[(evaluation, None)] = _counts.get((evaluation, None), 0) + 1


def write_if_due() -> None:
    """Write what was counted, at most every WRITE_S."""
    now = time.monotonic()
    if now < _state["due"]:
        return
    _state["due"] = now + WRITE_S
    write()


def write() -> None:
    """Write what was counted: to the metrics, and to the table.."""
    with _lock:
        counted = dict(_counts)
        _counts.clear()
    if not counted:
        return
    by_tenant: dict[tuple[UUID, str], int] = defaultdict(int)
    for (evaluation, tenant_id), number in counted.items():
        known = evaluation.key != ""
        EVALUATIONS.labels(
            evaluation.key if known else UNKNOWN, evaluation.variant, evaluation.error or evaluation.reason
        ).inc(number)
        if known:
            by_tenant[(tenant_id or PLATFORM_TENANT_ID, evaluation.key)] += number
    _keep(by_tenant)


def _keep(by_tenant: dict[tuple[UUID, str], int]) -> None:
    if not by_tenant:
        return
    seen = utc_now()
    # In one order, so that processes that write at once do not wait for each other in a ring.
    rows = [(scope, key, number, seen, seen) for (scope, key), number in sorted(by_tenant.items())]
    try:
        with (
            system_scope("flags.registry"),
            transaction.atomic(using="system"),
            connections["system"].cursor() as cursor,
        ):
            cursor.executemany(_NOTE, rows)
    except (DatabaseError, InterfaceError, PoolTimeout) as error:
        log.warning("use of flags is not noted", rows=len(rows), error=type(error).__name__)
