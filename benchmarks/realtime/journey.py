"""End to end: from the commit of a write, by way of sequencer and relay, to clients of two web processes."""

import array
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.load import HELLO, Subscribers
from benchmarks.realtime.contenders import target, web
from benchmarks.realtime.runs import RATE, SUBSCRIBERS
from benchmarks.servers import running

CHANGES = 'subscription ($t: ID!) { changes(tenantId: $t, kinds: ["Asset"]) { eventId id op entity { name } } }'
BATCH = 100
BATCHES = 50


@contextmanager
def _relay() -> Iterator[None]:
    """Run sequencer and relay."""
    process = subprocess.Popen([sys.executable, "manage.py", "relay"], cwd=harness.ROOT)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def end_to_end(program: Path, ctx: Any, token: str) -> dict[str, float]:
    """Write 1,000 changes/s and return how long after its commit a change is read, and what was lost."""
    from apps.core.scope import tenant_scope
    from apps.graph import services as graph
    from apps.graph.types import EntityInput

    def greet() -> None:
        with tenant_scope(ctx.tenant_id):
            graph.upsert_entities(ctx, inputs=[EntityInput("Asset", f"h{time.time_ns()}", name=HELLO)])

    def write(number: int) -> int:
        with tenant_scope(ctx.tenant_id):
            graph.upsert_entities(
                ctx,
                inputs=[
                    EntityInput("Asset", f"e{n}", name=f"~t{time.time_ns()}~s{number * BATCH + n}~")
                    for n in range(BATCH)
                ],
            )
        return time.time_ns()

    webs = [web(), web()]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ig-bench-")))
        stack.enter_context(_relay())
        for each in webs:
            stack.enter_context(running(each))
        write(0)
        time.sleep(3)  # numbered and handed on before anybody subscribes
        files = [folder / f"{each.port}" for each in webs]
        crowds = [
            Subscribers(
                program,
                target(each, ctx, token, CHANGES),
                SUBSCRIBERS // len(webs),
                events=BATCH * (BATCHES - 1),
                warm=BATCH * BATCHES // 10,
                arrivals=file,
                greet=greet,
            )
            for each, file in zip(webs, files, strict=True)
        ]
        began, committed = time.perf_counter(), {}
        for number in range(1, BATCHES):
            committed[number] = write(number)
            time.sleep(max(0.0, began + number * BATCH / RATE - time.perf_counter()))
        seconds = time.perf_counter() - began
        missing = sum(crowd.result()["missing"] for crowd in crowds)
        taken = []
        for file in files:
            rows = array.array("q")
            rows.frombytes(file.read_bytes())
            taken += [at - committed[number // BATCH] for number, at in zip(rows[::2], rows[1::2], strict=True)]
    return {
        "end_to_end_p95_ms": sorted(taken)[int(len(taken) * 0.95)] / 1e6,
        "end_to_end_loss": missing / (SUBSCRIBERS * BATCH * (BATCHES - 1)),
        "end_to_end_changes_per_s": BATCH * (BATCHES - 1) / seconds,
    }
