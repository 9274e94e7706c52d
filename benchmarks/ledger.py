"""How fast records are appended, chained and verified: `python -m benchmarks.ledger --json`.

- `append_per_s`: commits per second with one record each, 8 connections, one tenant, fsync on.
- `append_5ms_per_s` and its ratio to the same transactions without a record: what recording costs real work. That work
  waits 5 ms and writes a row, as all that is recorded does: a transaction that writes nothing commits without the disk.
- `append_batched_per_s`: changed things per second in transactions of 5,000 items and one record.
- `sequencer_per_s`, `verify_per_s`: records chained and verified per second by one process.
"""

import hashlib
import multiprocessing
import sys
import time
from typing import Any
from uuid import UUID

from benchmarks import harness

CONNECTIONS = 8
WORK_TABLE = "create table bench_work (note text); grant insert on bench_work to ig_app"
WORK = "insert into bench_work (note) select 'work' from (select pg_sleep(%s)) as waited"
SECONDS = 6.0
SEQUENCED = 300_000


def _writer(tenant: str, mode: str, work_s: float, together: Any, out: Any) -> None:
    """Wait for the others, commit for `SECONDS`, put the number of commits on `out`."""
    import django

    django.setup()
    from django.db import connection, transaction

    from apps.bus import services as bus
    from apps.core.context import service_context
    from apps.core.scope import tenant_scope
    from apps.graph.events import EntitiesUpserted

    tenant_id = UUID(tenant)
    ctx = service_context("benchmark", tenant_id=tenant_id)
    event = EntitiesUpserted(created=1, updated=0)
    commits = 0
    with tenant_scope(tenant_id):
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        together.wait(timeout=120)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with transaction.atomic():
                if work_s:
                    with connection.cursor() as cursor:
                        cursor.execute(WORK, [work_s])
                if mode == "record":
                    bus.record(ctx, event)
            commits += 1
    out.put(commits)


def _commits_per_s(tenant: str, mode: str, work_s: float = 0.0) -> float:
    spawn = multiprocessing.get_context("spawn")
    out: Any = spawn.Queue()
    together: Any = spawn.Barrier(CONNECTIONS)
    workers = [spawn.Process(target=_writer, args=(tenant, mode, work_s, together, out)) for _ in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    total = sum(out.get(timeout=180) for _ in workers)
    for worker in workers:
        worker.join()
    return total / SECONDS


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    load = harness.foreign_load()
    with harness.services():
        import django

        django.setup()
        from django.db import connections

        from apps.bus.management.commands.relay import system_conninfo
        from apps.core.context import service_context
        from apps.core.ids import new_id
        from apps.core.scope import system_scope, tenant_scope
        from apps.graph import services as graph
        from apps.graph.types import EntityInput
        from apps.ledger import chain, merkle, selectors
        from apps.ledger.sequencer import Sequencer
        from apps.tenants import services as tenancy

        ctx = service_context("benchmark")
        info = tenancy.create_tenant(ctx, slug="bench", name="Benchmark", home_region="eu-west-1")
        tenant = str(info.id)
        figures: dict[str, float] = {}
        with connections["owner"].cursor() as cursor:
            cursor.execute(WORK_TABLE)
        figures["append_per_s"] = _commits_per_s(tenant, "record")
        plain = _commits_per_s(tenant, "plain", 0.005)
        figures["append_5ms_per_s"] = _commits_per_s(tenant, "record", 0.005)
        ratios = {"append_5ms_vs_without_records": figures["append_5ms_per_s"] / plain}

        inside = ctx.but(tenant_id=info.id, region="eu-west-1")
        with tenant_scope(info.id):
            rounds, began = 4, time.perf_counter()
            for number in range(rounds):
                graph.upsert_entities(
                    inside,
                    inputs=[
                        EntityInput("Asset", f"b{number}-{i}", name=f"Asset {i}", properties={"n": i})
                        for i in range(5_000)
                    ],
                )
            figures["append_batched_per_s"] = rounds * 5_000 / (time.perf_counter() - began)

        sequencer = Sequencer(system_conninfo())
        if not sequencer.acquire():
            print("another sequencer holds the lock", file=sys.stderr)
            return 1
        sequencer.tick()
        body = b'{"v":1}'
        leaf = hashlib.sha256(b"\x00" + body).digest()
        with system_scope("ledger.sequencer"), connections["system"].cursor() as cursor:
            cursor.execute(
                "insert into ledger_record (tenant_id, event_id, type, actor, at, body, leaf, item_count)"
                " select %s, %s, 'bench.record.written', 'service:benchmark', now(), %s, %s, 0 from generate_series(1, %s)",
                [info.id, new_id(), body, leaf, SEQUENCED],
            )
        began = time.perf_counter()
        linked = sequencer.tick().linked
        figures["sequencer_per_s"] = linked / (time.perf_counter() - began)
        sequencer.release()

        began, prev, verified = time.perf_counter(), bytes(32), 0
        with system_scope("ledger.verify"):
            for record in selectors.walk(info.id, batch=5_000):
                if (
                    merkle.leaf_hash(record.body) != record.leaf
                    or chain.link_hash(info.id, record.number, prev, record.leaf) != record.hash
                ):
                    print(f"record {record.number} does not verify", file=sys.stderr)
                    return 1
                prev = record.hash
                verified += 1
        figures["verify_per_s"] = verified / (time.perf_counter() - began)
        harness.report("ledger", figures, ratios, {"plain_5ms_commits_per_s": round(plain, 1)}, load)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
