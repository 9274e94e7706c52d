"""Jobs that are stopped, killed, cancelled or met by a second worker."""

import base64
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings
from django.db import IntegrityError, connections, transaction
from django.db.models.functions import Now

from apps.connectors import selectors, services, tasks
from apps.connectors.errors import JobMoved
from apps.connectors.models import IngestBatch, IngestJob
from apps.connectors.services import leases
from apps.connectors.types import JobState, JobView
from apps.core import jobs as background
from apps.core.context import service_context
from apps.core.scope import no_scope, tenant_scope
from tests.conftest import TenantKit, make_tenant
from tests.connectors.graphs import graph_of, ingest, mapping

ROOT = Path(__file__).resolve().parents[2]
ATTACK = ROOT / "fixtures/demo/alpha/attack-enterprise.stix.json.gz"
PAIRS = """
name: pairs
format: csv
entities: [{kind: Thing, id: "{id}", name: "{name}", properties: {n: {column: n, type: int}}}]
edges: [{kind: next, from: {kind: Thing, id: "{id}"}, to: {kind: Thing, id: "{to}"}}]
"""


def rows(count: int) -> bytes:
    """Return rows of which some are wrong, some stand twice, some lead nowhere."""
    lines = ["id,name,n,to"]
    for i in range(count):
        to = count + 5 if i % 97 == 0 else (i + 1) % count
        lines.append(f"{i if i % 50 else i - 1 if i else 0},name {i},{'x' if i % 31 == 0 else i},{to}")
    return "\n".join(lines).encode()


def facts(job: JobView) -> dict[str, Any]:
    """Return what two runs of the same source must agree on."""
    document = job.as_document()
    return {
        name: document[name]
        for name in (
            "state",
            "rows",
            "entities",
            "edges",
            "duplicates",
            "references_outside",
            "bytes_read",
            "error_count",
        )
    }


def messages(job_id: Any) -> int:
    """Return how many messages of the queue are about the job."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    waiting = client.lrange(f"ig:celery:{background.QUEUE}", 0, -1)
    return sum(str(job_id) in base64.b64decode(orjson.loads(item)["body"]).decode() for item in waiting)


def command(tenant: TenantKit, source: Path, name: str) -> list[str]:
    return [
        sys.executable,
        "manage.py",
        "ingest",
        str(source),
        "--tenant",
        tenant.info.slug,
        "--mapping",
        name,
        "--json",
    ]


def run_killed(tenant: TenantKit, source: Path, name: str, kills: int) -> JobView:
    """Run the command, kill it with SIGKILL at random moments, and let a last run end the job."""
    chance = random.Random(7)
    for _ in range(kills):
        process = subprocess.Popen(
            command(tenant, source, name),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        begun = IngestBatch.objects.count()
        wanted = begun + chance.randint(1, 3)
        while process.poll() is None and IngestBatch.objects.count() < wanted:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # The dead worker's lease ends by itself; the test does not wait for it.
        IngestJob.objects.filter(state="running").update(lease_until=Now() - timedelta(seconds=1))
    done = subprocess.run(
        command(tenant, source, name), cwd=ROOT, capture_output=True, env=dict(os.environ), check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return selectors.job(tenant.ctx, orjson.loads(done.stdout)["id"])


@pytest.mark.slow
def test_kill_9_in_the_middle_ends_in_the_same_graph(tenant: TenantKit, tmp_path: Path) -> None:
    source = tmp_path / "pairs.csv"
    source.write_bytes(rows(12_000))
    mapping(tenant.ctx, "pairs", PAIRS)
    killed = run_killed(tenant, source, "pairs", kills=3)
    # A quick machine may be done before the next kill comes.
    assert 1 <= killed.attempts <= 4
    assert IngestJob.objects.count() == 1
    graph = graph_of(tenant.ctx)
    errors = b"".join(selectors.row_errors(tenant.ctx, killed.id))
    whole = make_tenant()
    with no_scope(), tenant_scope(whole.info.id):
        mapping(whole.ctx, "pairs", PAIRS)
        straight = ingest(whole.ctx, "pairs", source.read_bytes())
        assert facts(killed) == facts(straight)
        assert graph == graph_of(whole.ctx)
        assert errors == b"".join(selectors.row_errors(whole.ctx, straight.id))


@pytest.mark.slow
def test_all_of_attack_twice_and_killed_is_one_graph(tenant: TenantKit) -> None:
    first = run_killed(tenant, ATTACK, "stix", kills=1)
    assert first.rows.as_dict() == {
        "read": 24_771,
        "created": 24_771,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
        "skipped": 0,
    }
    assert (first.entities["created"], first.edges["created"]) == (4_723, 21_801)
    graph = graph_of(tenant.ctx)
    assert all(entity[5] == "long-1825d" and "MITRE" in entity[8] for entity in graph[0])
    second = ingest(tenant.ctx, "stix", ATTACK.read_bytes())
    assert second.rows.unchanged == 24_771 and second.rows.created == second.rows.updated == 0
    assert graph_of(tenant.ctx) == graph


def test_ctrl_c_leaves_a_job_that_the_same_command_goes_on_with(tenant: TenantKit, tmp_path: Path) -> None:
    source = tmp_path / "pairs.csv"
    source.write_bytes(rows(20_000))
    mapping(tenant.ctx, "pairs", PAIRS)
    process = subprocess.Popen(command(tenant, source, "pairs"), cwd=ROOT, stderr=subprocess.PIPE, env=dict(os.environ))
    while process.poll() is None and not IngestBatch.objects.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 1
    assert b"the same command goes on" in said
    stopped = IngestJob.objects.get()
    assert (stopped.state, stopped.lease_token) == ("queued", None)
    assert stopped.batch_number > 0
    done = subprocess.run(
        command(tenant, source, "pairs"), cwd=ROOT, capture_output=True, env=dict(os.environ), check=False
    )
    assert b"going on with job" in done.stderr
    assert orjson.loads(done.stdout)["id"] == str(stopped.id)
    assert IngestJob.objects.get().state == "partial"


def test_two_workers_do_not_run_one_job(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    job = services.start_ingest(tenant.ctx, source="pairs", content=[rows(3_000)], enqueue=False)
    seen: list[JobView] = []

    def work() -> None:
        try:
            with tenant_scope(tenant.info.id):
                seen.append(services.run_ingest(tenant.ctx, job_id=job.id))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    final = selectors.job(tenant.ctx, job.id)
    assert final.state is JobState.PARTIAL and final.attempts == 1
    assert final.rows.read == 3_000
    assert sum(found.state.final for found in seen) >= 1


def test_a_worker_that_comes_back_after_its_lease_cannot_write(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    job = services.start_ingest(tenant.ctx, source="pairs", content=[rows(300)], enqueue=False)
    late = leases.claim(tenant.ctx, job.id)
    assert late is not None and late.lease_token is not None
    assert leases.claim(tenant.ctx, job.id) is None  # somebody has it
    IngestJob.objects.filter(id=job.id).update(lease_until=Now() - timedelta(seconds=1))
    next_one = leases.claim(tenant.ctx, job.id)
    assert next_one is not None
    with pytest.raises(JobMoved):
        leases.renew(job.id, late.lease_token)
    assert not leases.give_back(job.id, late.lease_token)
    assert next_one.lease_token is not None and leases.give_back(job.id, next_one.lease_token)
    assert services.run_ingest(tenant.ctx, job_id=job.id).state is JobState.PARTIAL


def test_a_batch_cannot_be_written_twice(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    job = ingest(tenant.ctx, "pairs", rows(300))
    batch = IngestBatch.objects.filter(job_id=job.id).first()
    assert batch is not None
    batch.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        IngestBatch.objects.create(
            job_id=job.id,
            number=batch.number,
            phase=batch.phase,
            from_offset=0,
            to_offset=0,
            to_row=0,
            committed_at=batch.committed_at,
        )


def test_a_job_that_fails_at_one_place_again_and_again_ends(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    job = services.start_ingest(tenant.ctx, source="pairs", content=[rows(100)], enqueue=False)
    for _ in range(5):
        assert leases.claim(tenant.ctx, job.id) is not None  # a worker takes it and dies
        IngestJob.objects.filter(id=job.id).update(lease_until=Now() - timedelta(seconds=1))
    ended = services.run_ingest(tenant.ctx, job_id=job.id)
    assert ended.state is JobState.FAILED and ended.failure is not None and ended.failure.code == "STUCK"


def test_a_job_out_of_time_is_given_back_and_queued(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    job = services.start_ingest(tenant.ctx, source="pairs", content=[rows(5_000)], enqueue=False)
    found = services.run_ingest(tenant.ctx, job_id=job.id, budget_s=1e-9)
    assert found.state is JobState.QUEUED
    assert messages(job.id) == 1
    while not found.state.final:
        found = services.run_ingest(tenant.ctx, job_id=job.id, budget_s=0.2)
    assert found.rows.read == 5_000


def test_cancelling(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    waiting = services.start_ingest(tenant.ctx, source="pairs", content=[rows(100)], enqueue=False)
    assert services.cancel(tenant.ctx, job_id=waiting.id).state is JobState.CANCELLED
    assert services.run_ingest(tenant.ctx, job_id=waiting.id).state is JobState.CANCELLED
    assert graph_of(tenant.ctx) == ([], [])
    running = services.start_ingest(tenant.ctx, source="pairs", content=[rows(5_000)], enqueue=False)
    steps: list[JobView] = []

    def stop(job: JobView) -> None:
        steps.append(job)
        if len(steps) == 2:
            assert services.cancel(tenant.ctx, job_id=job.id).state is JobState.RUNNING

    ended = services.run_ingest(tenant.ctx, job_id=running.id, on_progress=stop)
    assert ended.state is JobState.CANCELLED
    assert 0 < ended.rows.read < 5_000
    assert len(graph_of(tenant.ctx)[0]) == ended.entities["created"]
    assert services.cancel(tenant.ctx, job_id=running.id).state is JobState.CANCELLED


def test_the_queue_brings_a_job_to_a_worker_and_the_sweep_finds_lost_ones(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    job = services.start_ingest(tenant.ctx, source="pairs", content=[rows(200)])
    assert messages(job.id) == 1
    tasks.run_job.run(tenant.ctx, job_id=str(job.id))
    assert selectors.job(tenant.ctx, job.id).state is JobState.PARTIAL
    lost = services.start_ingest(tenant.ctx, source="pairs", content=[rows(201)], enqueue=False)
    with no_scope():
        tasks.sweep_jobs.run(service_context("scheduler"))
    assert messages(lost.id) == 0  # too young to be lost
    IngestJob.objects.filter(id=lost.id).update(sent_at=Now() - timedelta(minutes=5))
    with no_scope():
        tasks.sweep_jobs.run(service_context("scheduler"))
        tasks.sweep_jobs.run(service_context("scheduler"))
    assert messages(lost.id) == 1


@pytest.mark.slow
def test_a_killed_worker_is_followed_by_another_one(tenant: TenantKit) -> None:
    mapping(tenant.ctx, "pairs", PAIRS)
    source = rows(4_000)
    job = services.start_ingest(tenant.ctx, source="pairs", content=[source])
    worker = start_worker()
    try:
        wait_until(lambda: IngestBatch.objects.filter(job_id=job.id).exists(), worker)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    cut = selectors.job(tenant.ctx, job.id)
    assert cut.state is JobState.RUNNING
    assert cut.requested_by == tenant.ctx.actor.ref
    IngestJob.objects.filter(id=job.id).update(lease_until=Now() - timedelta(seconds=1))
    with no_scope():
        services.sweep(service_context("scheduler"))
    worker = start_worker()
    try:
        wait_until(lambda: selectors.job(tenant.ctx, job.id).state.final, worker)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    graph = graph_of(tenant.ctx)
    whole = make_tenant()
    with no_scope(), tenant_scope(whole.info.id):
        mapping(whole.ctx, "pairs", PAIRS)
        assert facts(selectors_job(tenant, job)) == facts(ingest(whole.ctx, "pairs", source))
        assert graph == graph_of(whole.ctx)


def selectors_job(tenant: TenantKit, job: JobView) -> JobView:
    with no_scope(), tenant_scope(tenant.info.id):
        return selectors.job(tenant.ctx, job.id)


def start_worker() -> "subprocess.Popen[bytes]":
    """Start a worker as `make run` does, in a process group of its own."""
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "intelgraph",
        "worker",
        "--concurrency",
        "1",
        "--loglevel",
        "ERROR",
    ]
    return subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), start_new_session=True)


def wait_until(done: Callable[[], bool], worker: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + 120
    while not done():
        assert worker.poll() is None, "the worker ended"
        assert time.monotonic() < give_up, "the worker did not do it in time"
        time.sleep(0.02)
