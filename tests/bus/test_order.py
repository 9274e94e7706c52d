"""Records from many writers end in one gap-free chain, in the order in which things changed."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from django.db import connections, transaction

from apps.bus import services as bus
from apps.bus.management.commands.relay import system_conninfo
from apps.core.scope import system_scope, tenant_scope
from apps.graph import services as graph
from apps.graph.events import EntitiesUpserted
from apps.graph.types import EntityInput
from apps.ledger import chain, selectors
from apps.ledger.errors import NotSequencer
from apps.ledger.sequencer import Sequencer
from apps.ledger.types import LinkedRecord
from tests.conftest import TenantKit, make_tenant, sequence

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 8
ENTITIES = 5


def chained(tenant_id: UUID) -> list[LinkedRecord]:
    """Return the tenant's records after checking that the chain holds, number by number."""
    with system_scope("ledger.verify"):
        records = list(selectors.walk(tenant_id))
        head = selectors.head(tenant_id)
    prev = bytes(32)
    for number, record in enumerate(records, start=1):
        assert record.number == number
        assert record.prev == prev
        assert record.hash == chain.link_hash(tenant_id, number, prev, record.leaf)
        prev = record.hash
    assert head is not None and (head.number, head.hash) == (len(records), prev)
    return records


def versions_in_order(tenant_id: UUID, records: list[LinkedRecord]) -> int:
    """Check that each entity's versions stand in order; return how many changes there were."""
    with system_scope("ledger.verify"):
        items = selectors.items_of_many([r.record_id for r in records])
    seen: dict[UUID, int] = {}
    changes = 0
    for record in records:
        for _, item in items[record.record_id]:
            assert item.version == seen.get(item.ref_id, 0) + 1, (
                f"{item.ref_id}: v{item.version} after v{seen.get(item.ref_id, 0)}"
            )
            seen[item.ref_id] = item.version
            changes += 1
    return changes


def committed(tenant_id: UUID) -> int:
    with system_scope("ledger.verify"), connections["system"].cursor() as cursor:
        cursor.execute("select count(*) from ledger_record where tenant_id = %s", [tenant_id])
        return int(cursor.fetchone()[0])


@pytest.mark.slow
def test_eight_writers_with_locks_rollbacks_and_a_long_transaction() -> None:
    kit = make_tenant()
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)
        try:
            with tenant_scope(kit.info.id):
                while not stop.is_set():
                    try:
                        with transaction.atomic():
                            chosen = sorted(rng.sample(range(ENTITIES), rng.choice([1, 1, 2])))
                            graph.upsert_entities(
                                kit.ctx,
                                inputs=[
                                    EntityInput("Asset", f"e{n}", properties={"at": time.time_ns() // 1000, "by": seed})
                                    for n in chosen
                                ],
                            )
                            if rng.random() < 0.2:
                                time.sleep(rng.random() * 0.01)
                            if rng.random() < 0.2:
                                raise InterruptedError
                    except InterruptedError:
                        continue
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    def hold() -> None:
        """One transaction that records early and commits last."""
        try:
            with tenant_scope(kit.info.id), transaction.atomic():
                bus.record(kit.ctx, EntitiesUpserted(created=0, updated=0, origin="long"))
                stop.wait()
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(WRITERS)] + [
        threading.Thread(target=hold)
    ]
    sequencer = Sequencer(system_conninfo())
    assert sequencer.acquire()
    try:
        for thread in threads:
            thread.start()
        until = time.monotonic() + 6
        linked = 0
        while time.monotonic() < until:
            linked += sequencer.tick().linked
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
        linked += sequencer.tick().linked
        assert sequencer.tick().linked == 0
    finally:
        sequencer.release()
    assert failures == []
    records = chained(kit.info.id)
    assert len(records) == committed(kit.info.id)
    assert linked >= len(records) > 200
    assert versions_in_order(kit.info.id, records) >= len(records) - 2
    assert '"origin":"long"' in records[-1].body.decode() or any('"origin":"long"' in r.body.decode() for r in records)


def test_a_new_cluster_is_noticed_and_nothing_is_skipped() -> None:
    kit = make_tenant()
    sequence()
    with tenant_scope(kit.info.id):
        graph.upsert_entities(kit.ctx, inputs=[EntityInput("Asset", "a")])
    with system_scope("ledger.sequencer"), connections["system"].cursor() as cursor:
        # As after a restore: the stored snapshot is of another cluster, whose numbers are far ahead.
        cursor.execute(
            "update ledger_sequencer set cluster = 'elsewhere', snapshot = '900000000:900000000:' where id = 1"
        )
    assert sequence() >= 1
    assert len(chained(kit.info.id)) == committed(kit.info.id) == 2
    assert sequence() == 0


def test_only_one_is_the_sequencer_and_a_second_takes_over_at_once() -> None:
    first, second = Sequencer(system_conninfo()), Sequencer(system_conninfo())
    assert first.acquire()
    try:
        assert not second.acquire()
        with pytest.raises(NotSequencer):
            second.tick()
        connection = first._connection
        assert connection is not None
        pid = connection.info.backend_pid
        with system_scope("ledger.sequencer"), connections["system"].cursor() as cursor:
            cursor.execute("select pg_terminate_backend(%s)", [pid])
        began = time.monotonic()
        while not second.acquire():
            assert time.monotonic() - began < 5
            time.sleep(0.05)
        with pytest.raises(psycopg.Error):
            first.tick()
        with pytest.raises(NotSequencer):
            first.tick()
    finally:
        first.release()
        second.release()


def relay_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=ROOT, env=os.environ.copy())


@pytest.mark.slow
def test_killing_the_relay_anywhere_loses_and_doubles_nothing() -> None:
    kit: TenantKit = make_tenant()
    stop = threading.Event()
    written = 0
    failures: list[BaseException] = []

    def write() -> None:
        nonlocal written
        try:
            with tenant_scope(kit.info.id):
                while not stop.is_set():
                    graph.upsert_entities(
                        kit.ctx, inputs=[EntityInput("Asset", f"e{written % 7}", properties={"n": written})]
                    )
                    written += 1
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    rng = random.Random(1)
    process = relay_process()
    standby = relay_process()
    try:
        for _ in range(4):
            time.sleep(3.0 + rng.random())
            process.send_signal(signal.SIGKILL)
            process.wait()
            process, standby = standby, relay_process()
        stop.set()
        writer.join(timeout=30)
        began = time.monotonic()
        while True:
            with system_scope("ledger.verify"):
                waiting = selectors.waiting(kit.info.id)
            if waiting.count == 0:
                break
            assert time.monotonic() - began < 60, waiting
            time.sleep(0.1)
    finally:
        stop.set()
        for one in (process, standby):
            one.send_signal(signal.SIGTERM)
            one.wait(timeout=20)
    assert failures == []
    records = chained(kit.info.id)
    assert len(records) == committed(kit.info.id) == written + 1
    assert versions_in_order(kit.info.id, records) == written


def test_a_kill_before_commit_leaves_neither_change_nor_record() -> None:
    kit = make_tenant()
    script = (
        "import os, signal, django; django.setup()\n"
        "from uuid import UUID\n"
        "from django.db import transaction\n"
        "from apps.core.context import service_context\n"
        "from apps.core.scope import tenant_scope\n"
        "from apps.graph import services\n"
        "from apps.graph.types import EntityInput\n"
        f"tenant = UUID('{kit.info.id}')\n"
        "with tenant_scope(tenant), transaction.atomic():\n"
        "    services.upsert_entities(service_context('t', tenant_id=tenant), inputs=[EntityInput('Asset', 'a')])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=os.environ.copy())
    assert ended.returncode == -signal.SIGKILL
    sequence()
    assert [r.type for r in chained(kit.info.id)] == ["tenants.tenant.created"]


def test_a_record_needs_the_transaction_of_its_change(tenant: TenantKit) -> None:
    with pytest.raises(transaction.TransactionManagementError):
        bus.record(tenant.ctx, EntitiesUpserted(created=0, updated=0))
