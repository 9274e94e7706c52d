"""Background jobs through a real queue and a real worker: context, tenant, trace and outcome arrive; nothing else does."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from celery.contrib.testing.worker import start_worker
from django.db import transaction

from apps.core import jobs
from apps.core.context import Context, current_context
from apps.core.errors import Forbidden
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import current_scope, no_scope
from intelgraph.celery import SCHEDULE, app
from tests.conftest import TenantKit

QUEUE = f"test-{new_id()}"
SEEN: list[dict[str, Any]] = []
ARRIVED = threading.Condition()


def note(**what: Any) -> None:
    with ARRIVED:
        SEEN.append(what)
        ARRIVED.notify_all()


@jobs.job("core.probe.note", queue=QUEUE)
def probe(ctx: Context, *, word: str) -> None:
    note(word=word, ctx=ctx, scope=current_scope(), described=current_context())


@jobs.job(
    "core.probe.again", queue=QUEUE, autoretry_for=(ValueError,), retry_backoff=0.01, retry_jitter=False, max_retries=3
)
def again(ctx: Context, *, word: str) -> None:
    note(word=word)
    if sum(seen["word"] == word for seen in SEEN) < 3:
        raise ValueError("not yet")


@jobs.job("core.probe.guarded", queue=QUEUE, action="graph.entity.write")
def guarded(ctx: Context, *, word: str) -> None:
    note(word=word)


@pytest.fixture(scope="module")
def worker() -> Iterator[None]:
    with no_scope(), start_worker(app, pool="solo", perform_ping_check=False, queues=[QUEUE], shutdown_timeout=30):
        yield


def wait_for(word: str, times: int = 1) -> list[dict[str, Any]]:
    with ARRIVED:
        assert ARRIVED.wait_for(lambda: sum(seen["word"] == word for seen in SEEN) >= times, 20), word
        return [seen for seen in SEEN if seen["word"] == word]


def test_a_job_runs_as_its_sender_in_the_senders_tenant(worker: None, tenant: TenantKit) -> None:
    ctx = tenant.as_role("analyst").but(scopes=frozenset({"writer"}), request_id="request-of-the-sender")
    assert probe.send(ctx, word="first")
    (seen,) = wait_for("first")
    got = seen["ctx"]
    assert (got.actor, got.tenant_id, got.roles, got.scopes, got.purpose) == (
        ctx.actor,
        ctx.tenant_id,
        ctx.roles,
        ctx.scopes,
        ctx.purpose,
    )
    assert got.request_id == "request-of-the-sender" == seen["described"].request_id
    assert seen["scope"].tenant_id == tenant.info.id and not seen["scope"].system


def test_the_next_job_does_not_inherit(worker: None, tenant: TenantKit) -> None:
    probe.send(tenant.ctx, word="in a tenant")
    wait_for("in a tenant")
    app.send_task("core.probe.note", kwargs={"word": "of the schedule"}, queue=QUEUE)
    (seen,) = wait_for("of the schedule")
    assert seen["ctx"].tenant_id is None and seen["ctx"].actor.ref == "service:core.probe.note"
    assert seen["scope"].tenant_id is None and not seen["scope"].system


def test_a_job_is_sent_with_its_transaction_or_not_at_all(worker: None, tenant: TenantKit) -> None:
    with pytest.raises(RuntimeError), transaction.atomic(using=write_alias()):
        probe.enqueue(tenant.ctx, word="rolled back")
        raise RuntimeError
    with transaction.atomic(using=write_alias()):
        probe.enqueue(tenant.ctx, word="committed")
        assert not [seen for seen in SEEN if seen["word"] == "committed"]
    wait_for("committed")
    assert not [seen for seen in SEEN if seen["word"] == "rolled back"]


def test_a_failing_job_is_tried_again(worker: None, tenant: TenantKit) -> None:
    again.send(tenant.ctx, word="third time")
    assert len(wait_for("third time", 3)) == 3


def test_the_guard_stands_before_the_body(worker: None, tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[UUID | None, str]] = []

    def guard(ctx: Context, action: str) -> None:
        asked.append((ctx.tenant_id, action))
        if "reader" in ctx.roles:
            raise Forbidden("no")

    monkeypatch.setitem(jobs._guard, "installed", guard)
    guarded.send(tenant.as_role("reader"), word="refused")
    guarded.send(tenant.as_role("analyst"), word="allowed")
    wait_for("allowed")
    assert asked == [(tenant.info.id, "graph.entity.write")] * 2
    assert not [seen for seen in SEEN if seen["word"] == "refused"]


def test_without_redis_sending_says_so_and_raises_nothing(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(probe, "apply_async", away)
    assert probe.send(tenant.ctx, word="lost") is False


def test_messages_are_json_and_late_acknowledged() -> None:
    assert app.conf.accept_content == ["json"] and app.conf.task_serializer == "json"
    assert app.conf.task_acks_late and app.conf.task_reject_on_worker_lost and app.conf.worker_prefetch_multiplier == 1
    assert jobs.SOFT_LIMIT_S < jobs.HARD_LIMIT_S < jobs.VISIBILITY_S, (
        "no job runs so long that Redis hands it to another"
    )


def test_what_is_scheduled_exists() -> None:
    for task, every_s in SCHEDULE.values():
        assert task in app.tasks, task
        assert every_s >= 1
