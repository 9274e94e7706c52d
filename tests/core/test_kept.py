"""Values kept in the process: how long, and who hears of a change."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import transaction

from apps.core.errors import Unauthenticated
from apps.core.kept import Kept, fresh
from apps.identity import services as identity
from tests.conftest import TenantKit

FOLLOWER = """
import sys, time
import django
django.setup()
from apps.core.kept import Kept
kept = Kept("tests.shared", seconds=60)
count = [0]
def read():
    count[0] += 1
    return count[0]
kept.get("k", read)
time.sleep(0.5)  # the subscription stands
kept.get("k", read)
before = count[0]
print("ready", flush=True)
until = time.monotonic() + 5
while count[0] == before and time.monotonic() < until:
    kept.get("k", read)
    time.sleep(0.002)
print(count[0] - before, flush=True)
"""


@pytest.fixture
def kept() -> Iterator[Kept[str, int]]:
    made: Kept[str, int] = Kept(f"tests.{uuid4()}", seconds=30, most=3)
    made.get("warm", lambda: 0)
    time.sleep(0.3)  # the follower of changes has begun: it drops everything once
    yield made


class Source:
    def __init__(self, value: int | None = 0) -> None:
        self.value, self.reads = value, 0

    def read(self) -> int | None:
        self.reads += 1
        return self.value


def test_a_value_is_read_once_until_it_changes(kept: Kept[str, int]) -> None:
    source = Source(1)
    assert [kept.get("a", source.read) for _ in range(3)] == [1, 1, 1]
    source.value = 2
    assert kept.get("a", source.read) == 1
    kept.changed("a")
    assert kept.get("a", source.read) == 2
    assert source.reads == 2


def test_a_change_counts_from_its_commit_on(kept: Kept[str, int]) -> None:
    source = Source(1)
    kept.get("a", source.read)
    with transaction.atomic():
        source.value = 2
        kept.changed("a")
        assert kept.get("a", source.read) == 1
    assert kept.get("a", source.read) == 2
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        kept.changed("a")
        raise ZeroDivisionError
    kept.get("a", source.read)
    assert source.reads == 2


def test_what_was_read_before_a_change_is_not_kept_after_it(kept: Kept[str, int]) -> None:
    def slow() -> int:
        kept.changed("a")  # somebody commits while we read
        return 1

    assert kept.get("a", slow) == 1
    assert kept.get("a", lambda: 2) == 2


def test_it_ends_by_time_and_number() -> None:
    brief: Kept[str, int] = Kept(f"tests.{uuid4()}", seconds=0.05, most=2)
    source = Source(1)
    brief.get("a", source.read)
    time.sleep(0.06)
    brief.get("a", source.read)
    assert source.reads == 2
    for key in "bcd":
        brief.get(key, source.read)
    assert len(brief._values) == 2


def test_fresh_reads_anew_and_none_is_not_kept(kept: Kept[str, int]) -> None:
    source = Source(1)
    kept.get("a", source.read)
    with fresh():
        kept.get("a", source.read)
    assert source.reads == 2
    nothing = Source(None)
    kept.get("n", nothing.read)
    kept.get("n", nothing.read)
    assert nothing.reads == 2


def test_a_name_is_given_once(kept: Kept[str, int]) -> None:
    with pytest.raises(ValueError, match="kept already"):
        Kept(kept.name)


def test_other_processes_hear_of_a_change_at_once() -> None:
    other = subprocess.Popen([sys.executable, "-c", FOLLOWER], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    mine: Kept[str, int] = Kept("tests.shared", seconds=60)
    mine.changed("k")
    began = time.monotonic()
    assert other.stdout.readline() == "1\n"
    assert time.monotonic() - began < 1
    assert other.wait(timeout=10) == 0


def test_a_revoked_key_is_refused_from_the_next_request_on(tenant: TenantKit) -> None:
    made = identity.create_api_key(tenant.ctx, name="k", scope="reader")
    ctx = tenant.ctx
    for _ in range(3):
        assert identity.authenticate_token(ctx, made.token).scopes == frozenset({"reader"})
    identity.revoke_api_key(ctx, key_id=made.info.id)
    with pytest.raises(Unauthenticated):
        identity.authenticate_token(ctx, made.token)


def test_many_threads_may_ask_and_change(kept: Kept[str, int]) -> None:
    wrong: list[int] = []
    state = [0]

    def change() -> None:
        for _ in range(200):
            state[0] += 1
            kept.drop("a")

    def ask() -> None:
        for _ in range(500):
            least = state[0]
            found = kept.get("a", lambda: state[0])
            if found is not None and found < least - 1:
                wrong.append(found)

    threads = [threading.Thread(target=work) for work in (change, ask, ask, ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
