"""The bucket that processes share: real Redis, real processes; and what happens without it."""

import os
import subprocess
import sys
import time
from uuid import uuid4

import pytest

from apps.quotas import services, store
from apps.quotas.buckets import lease_size
from apps.quotas.types import Limit, Measure

LIMIT = Limit(rate_per_s=100, burst=200)
SECONDS = 4.0
WORKER = """
import sys, time
import django
django.setup()
from apps.quotas import services
from apps.quotas.types import Limit, Measure
limit = Limit(rate_per_s=100, burst=200)
print("ready", flush=True)
sys.stdin.readline()
until, taken = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < until:
    if services.take(sys.argv[1], limit, Measure.API).allowed:
        taken += 1
print(taken)
"""


def fresh() -> str:
    return f"test:{uuid4()}"


def test_four_processes_keep_one_limit() -> None:
    subject = fresh()
    children = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, subject, str(SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    began = time.monotonic()
    taken = sum(int(out) for out, _ in [child.communicate(timeout=60) for child in _started(children)])
    most = LIMIT.burst + LIMIT.rate_per_s * (time.monotonic() - began)
    assert LIMIT.burst + LIMIT.rate_per_s * SECONDS * 0.5 < taken <= most + 4 * lease_size(LIMIT, 1)


def _started(children: "list[subprocess.Popen[str]]") -> "list[subprocess.Popen[str]]":
    """Let all begin before the first is waited for."""
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    return children


def test_subjects_do_not_share() -> None:
    one, other = fresh(), fresh()
    while services.take(one, LIMIT, Measure.API).allowed:
        pass
    assert services.take(other, LIMIT, Measure.API).allowed
    assert services.take(one, LIMIT, Measure.INGEST).allowed


def test_a_refusal_says_when_to_come_back() -> None:
    subject, slow = fresh(), Limit(rate_per_s=2, burst=2)
    assert [services.take(subject, slow, Measure.API).allowed for _ in range(3)] == [True, True, False]
    refused = services.take(subject, slow, Measure.API)
    assert 0 < refused.retry_after_s <= 0.6
    time.sleep(refused.retry_after_s + 0.1)
    assert services.take(subject, slow, Measure.API).allowed


def test_without_redis_each_process_counts_alone_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> tuple[int, float]:
        raise ConnectionRefusedError

    monkeypatch.setattr(services, "_store_away_until", 0.0)
    monkeypatch.setattr(store, "take", away)
    subject = fresh()
    verdicts = [services.take(subject, Limit(rate_per_s=1, burst=3), Measure.API) for _ in range(4)]
    assert [v.allowed for v in verdicts] == [True, True, True, False]
    assert all(v.degraded for v in verdicts)
    monkeypatch.undo()
    monkeypatch.setattr(services, "_store_away_until", 0.0)
    back = services.take(subject, Limit(rate_per_s=1, burst=3), Measure.API)
    assert (back.allowed, back.degraded) == (True, False)


def test_the_script_keeps_redis_tidy() -> None:
    subject = fresh()
    services.take(subject, LIMIT, Measure.API)
    client = store._script().registered_client
    assert 0 < client.pttl(store.bucket_key(subject, "api")) <= 4_000
