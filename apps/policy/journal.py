"""The log of decisions: noted in memory, written together in the background.

Refusals and step-ups are all noted, allows of grave actions too; allows of everyday actions as a sample. A request
pays for an entry in memory. What the log cannot take (a flood, a database that stays away) is dropped and counted: no
request ever waits for it, and grave acts stand in the ledger besides. Decisions outside any tenant go to the ordinary
log of the process.
"""

import os
import random
import threading
import time
from collections import deque
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DataError, Error, IntegrityError, connections

from apps.core.context import Context
from apps.core.ids import new_id
from apps.core.scope import system_scope
from apps.core.sockets import ACTIONS
from apps.core.telemetry import get_logger
from apps.policy import measures
from apps.policy.models import DecisionEntry
from apps.policy.types import Assessment, Decision, Outcome, Stage

log = get_logger(__name__)

SHARE = 0.01
"""The part of everyday allows that is logged."""
MOST_WAITING = 10_000
MOST_A_SECOND = 200
"""Entries that one tenant may add in a second, in one process; a flood of refusals says the same thing again."""
WRITE_EVERY_S = 0.5
BATCH = 500

_waiting: deque[DecisionEntry] = deque()
_taken: dict[UUID, tuple[int, int]] = {}
_lock = threading.Lock()
_due = threading.Event()
_writer: dict[str, int] = {"pid": 0}
_ended = threading.Event()
_chance = random.Random()  # noqa: S311  a sample, not a secret


def grave(action: str) -> bool:
    """Return whether every allow of this action is logged."""
    return action in ACTIONS and bool(ACTIONS.get(action).step_up)


def wanted(action: str) -> bool:
    """Return whether this allow is to be logged: each of a grave action, else by chance."""
    return _chance.random() < SHARE or grave(action)


def _admitted(tenant_id: UUID) -> bool:
    second = int(time.monotonic())
    with _lock:
        if len(_waiting) >= MOST_WAITING:
            return False
        since, count = _taken.get(tenant_id, (second, 0))
        if since != second:
            since, count = second, 0
        if len(_taken) > MOST_WAITING:
            _taken.clear()
        _taken[tenant_id] = (since, count + 1)
        return count < MOST_A_SECOND


def note(ctx: Context, stage: Stage, action: str, said: Decision | Assessment) -> UUID | None:
    """Remember a decision; return the id of its entry, None when there is none (no tenant, or the log is full)."""
    outcome = said.outcome
    if outcome is not Outcome.ALLOW:
        measures.OUTCOMES.labels(stage.value, outcome.value).inc()
    if ctx.tenant_id is None:
        return None
    if not _admitted(ctx.tenant_id):
        measures.LOGGED.labels("dropped").inc()
        return None
    entry = DecisionEntry(
        id=new_id(),
        tenant_id=ctx.tenant_id,
        at=ctx.now,
        stage=stage.value,
        action=action,
        outcome=outcome.value,
        rule=said.rule if isinstance(said, Decision) else said.signal,
        reason=said.reason,
        hits=list(said.hits),
        facts=_facts(ctx, stage),
        redact=dict(said.redact) if isinstance(said, Decision) else {},
        actor=ctx.actor.ref,
        purpose=ctx.purpose or "",
        request_id=ctx.request_id,
        trace_id=ctx.trace_id,
        revision=said.revision,
        share=SHARE if outcome is Outcome.ALLOW and not grave(action) else 1.0,
    )
    with _lock:
        _waiting.append(entry)
    if _writer["pid"] != os.getpid():
        _start()
    _due.set()
    return entry.id


def _age(since: datetime | None, now: datetime) -> int | None:
    return None if since is None else int((now - since).total_seconds())


def _facts(ctx: Context, stage: Stage) -> dict[str, Any]:
    """Return what the rules saw of the caller: no names, no addresses."""
    facts: dict[str, Any] = {
        "actor": ctx.actor.kind.value,
        "second_factor_age_s": _age(ctx.session.second_factor_at, ctx.now),
    }
    if stage is Stage.SESSION:
        return facts | {
            "risk": ctx.session.risk,
            "device_trusted": ctx.session.device_trusted,
            "country": ctx.session.country,
        }
    return facts | {
        "roles": sorted(ctx.roles),
        "scopes": None if ctx.scopes is None else sorted(ctx.scopes),
        "platform_roles": sorted(ctx.platform_roles),
    }


def flush() -> int:
    """Write what waits, oldest first; return how many entries were written. What is not taken waits on."""
    written = 0
    while True:
        with _lock:
            batch = [_waiting.popleft() for _ in range(min(BATCH, len(_waiting)))]
        if not batch:
            return written
        try:
            written += _stored(batch)
        except Error as error:
            with _lock:
                _waiting.extendleft(reversed(batch))
            measures.LOGGED.labels("failed").inc(len(batch))
            log.warning("decisions are not written yet", entries=len(batch), error=type(error).__name__)
            _due.set()
            return written


def _stored(batch: list[DecisionEntry]) -> int:
    """Write entries; return how many. One that no table can hold is dropped, so that it does not hold up the others."""
    kept = batch
    with system_scope("policy.decisions"):
        try:
            DecisionEntry.objects.bulk_create(batch, ignore_conflicts=True)
        except (IntegrityError, DataError, ValueError):
            kept = [entry for entry in batch if _fits(entry)]
    measures.LOGGED.labels("written").inc(len(kept))
    if len(kept) < len(batch):
        measures.LOGGED.labels("unfit").inc(len(batch) - len(kept))
    return len(kept)


def _fits(entry: DecisionEntry) -> bool:
    try:
        DecisionEntry.objects.bulk_create([entry], ignore_conflicts=True)
    except (IntegrityError, DataError, ValueError) as error:
        log.error("a decision cannot be written", decision=str(entry.id), error=type(error).__name__)
        return False
    return True


def _start() -> None:
    """Start writing, once in each process (a forked one has a thread of its own to start)."""
    with _lock:
        if _writer["pid"] == os.getpid():
            return
        _writer["pid"] = os.getpid()
    threading.Thread(target=_write, name="decisions", daemon=True).start()


def close() -> int:
    """Write what waits and end the writing thread, as the end of a process does; return how many were written."""
    _ended.set()
    _due.set()
    return flush()


def _write() -> None:
    while True:
        _due.wait()
        if _ended.wait(WRITE_EVERY_S):
            return
        _due.clear()
        flush()
        try:
            connections["system"].close()  # back to the pool
        except Error as error:
            log.warning("a connection was not closed", error=type(error).__name__)
