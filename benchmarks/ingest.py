"""How fast one worker brings data in, with everything on: `python -m benchmarks.ingest --json`.

Each source is stored, then run as a job in a process of its own: unpacked, parsed, mapped, checked, hashed and compared
with what stands, tagged, written with its versions and ledger record, checkpointed. MB are uncompressed bytes.

- `stix_mb_per_s`: MITRE ATT&CK Enterprise (33 MB, 24,771 objects), the demo's file.
- `csv_mb_per_s`, `jsonl_mb_per_s`: rows of about 270 bytes with eight columns, one in fifty an exact duplicate.
- `…_again_mb_per_s`: the same source a second time, when nothing changes.
- `peak_memory_mb`: the most that any of these workers held, one that met a line of 1 GiB included.
- `…_cpu_…_s`: where a worker's time goes: reading (unpack, frame, parse), mapping, the graph's services, the
  database's own backend; `…_wait_s` is what is left of the wall clock.
- Peer: `copy_limit`, the CSV by plain COPY into a table without index, versions or ledger: PostgreSQL's limit.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import harness

ROWS = 60_000
HUGE_BYTES = 1 << 30
ATTACK = harness.ROOT / "fixtures/demo/alpha/attack-enterprise.stix.json.gz"
COLUMNS = ("id", "name", "email", "address", "amount", "country", "updated_at", "attrs")
MAPPING = """
format: {form}
defaults: {{source: registry, licence: CC0-1.0, dataClass: personal, retentionTier: short-30d, purposes: [fraud-risk]}}
entities:
  - kind: Person
    id: "{{id}}"
    name: "{{name}}"
    subjectKeys: ["{{email}}"]
    properties:
      email: "{{email}}"
      address: "{{address}}"
      amount: {{column: amount, type: float}}
      country: "{{country}}"
      updatedAt: {{column: updated_at, type: datetime}}
      attributes: {{column: attrs, type: json}}
"""


def records() -> Iterator[dict[str, Any]]:
    """Yield rows; one in fifty repeats the row before it."""
    for number in range(ROWS):
        k = number - 1 if number % 50 == 49 else number
        yield {
            "id": str(k),
            "name": f"Person {k * 2654435761 % 2**32:08x} {k * 40503 % 2**32:08x}",
            "email": f"{k * 97 % 2**32:08x}{k:06d}@example.org",
            "address": f"{k % 997} {k * 31 % 2**32:08x} Street, {k % 5000:05d} Town, {10_000 + k % 80_000}",
            "amount": round(k % 1_000_000 / 7, 2),
            "country": ("DE", "FR", "US", "BR", "IN", "NG", "JP")[k % 7],
            "updated_at": f"2026-01-{1 + k % 28:02d}T{k % 24:02d}:00:00Z",
            "attrs": json.dumps(
                {"risk": k % 100, "source": f"registry-{k % 12}", "tags": [f"t{k % 31}"], "note": "row"}
            ),
        }


def write_sources(folder: Path) -> dict[str, Path]:
    """Write the generated sources and return all of them by name."""
    import csv

    table, lines, huge = folder / "rows.csv", folder / "rows.jsonl", folder / "huge.jsonl"
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(records())
    with lines.open("w") as stream:
        for row in records():
            stream.write(json.dumps(row | {"attrs": json.loads(row["attrs"])}, separators=(",", ":")) + "\n")
    row = next(records())
    with huge.open("wb") as out:
        out.write(json.dumps(row).encode() + b'\n{"id": "')
        for _ in range(HUGE_BYTES >> 20):
            out.write(b"x" * (1 << 20))
        out.write(b'"}\n' + json.dumps(row | {"id": "last"}).encode() + b"\n")
    return {"stix": ATTACK, "csv": table, "jsonl": lines, "huge": huge}


def _backend_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            yield part


def worker(name: str, path: Path) -> dict[str, float]:
    """Bring one source in, twice, in this process, and return its figures."""
    import django

    django.setup()
    from django.db import connection

    from apps.connectors import selectors, services
    from apps.connectors.plans import open_mapper, open_reader
    from apps.connectors.types import JobState, Limits
    from apps.core.context import service_context
    from apps.core.scope import tenant_scope
    from apps.tenants import services as tenancy

    ctx = service_context("benchmark", region="eu-west-1")
    info = tenancy.create_tenant(ctx, slug=f"bench-{name}", name=f"Benchmark {name}", home_region="eu-west-1")
    ctx = ctx.but(tenant_id=info.id, tenant_slug=info.slug, purpose="investigation")
    figures: dict[str, float] = {}
    with tenant_scope(info.id):
        source = name
        if name != "stix":
            form = "csv" if name == "csv" else "jsonl"
            source = services.put_mapping(ctx, name=name, text=MAPPING.format(form=form))[0].name
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            backend = cursor.fetchone()[0]
        for again in ("", "again_") if name != "huge" else ("",):
            job = services.start_ingest(ctx, source=source, content=_parts(path), enqueue=False)
            wall, cpu, database = time.perf_counter(), time.process_time(), _backend_cpu_s(backend)
            done = services.run_ingest(ctx, job_id=job.id)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            database = _backend_cpu_s(backend) - database
            expected = JobState.PARTIAL if name == "huge" else JobState.SUCCEEDED
            if done.state is not expected:
                raise RuntimeError(f"{name}: the job is {done.state}, {done.failure}")
            figures[f"{again}mb_per_s"] = done.bytes_read / wall / 1e6
            figures[f"{again}rows_per_s"] = done.rows.read / wall
            if again or name == "huge":
                continue
            # The same work without the graph, to see what share it has.
            document = selectors.mapping(ctx, source).document
            reading = mapping = 0.0
            for phase in ("entities", "edges") if name == "stix" else ("entities",):
                reader = open_reader(document, lambda: _parts(path), Limits())
                mapper = open_mapper(document, reader)
                while True:
                    began = time.process_time()
                    block = reader.read(Limits().block_rows)
                    read = time.process_time()
                    if block is not None:
                        getattr(mapper, phase)(block)
                    reading += read - began
                    mapping += time.process_time() - read
                    if block is None:
                        break
            figures |= {
                "cpu_read_s": reading,
                "cpu_map_s": mapping,
                "cpu_graph_s": cpu - reading - mapping,
                "cpu_database_s": database,
                "wait_s": max(0.0, wall - cpu - database),
            }
    figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def copy_limit_mb_per_s(path: Path) -> float:
    """Return how fast the CSV goes into a plain table by COPY, as the owner."""
    import psycopg

    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute(f"create table bench_copy ({', '.join(f'{column} text' for column in COLUMNS)})")
        began = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy("copy bench_copy from stdin (format csv, header true)") as copy:
            for part in _parts(path):
                copy.write(part)
        seconds = time.perf_counter() - began
        connection.execute("drop table bench_copy")
    return path.stat().st_size / seconds / 1e6


def main(arguments: list[str]) -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    if arguments[:1] == ["--worker"]:
        print(json.dumps(worker(arguments[1], Path(arguments[2]))))
        return 0
    load = harness.foreign_load()
    figures: dict[str, float] = {}
    with harness.services() as running:
        sources = write_sources(running.var)
        for name, path in sources.items():
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.ingest", "--worker", name, str(path)],
                cwd=harness.ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 1
            figures |= {f"{name}_{key}": value for key, value in json.loads(done.stdout.splitlines()[-1]).items()}
        limit = copy_limit_mb_per_s(sources["csv"])
    figures["peak_memory_mb"] = max(figures[f"{name}_peak_memory_mb"] for name in sources)
    peers = {"copy_limit": {"csv_mb_per_s": round(limit, 1)}}
    harness.report("ingest", figures, {"csv_vs_copy_limit": figures["csv_mb_per_s"] / limit}, peers, load)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
