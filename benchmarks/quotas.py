"""How exactly and how cheaply processes share a limit: `python -m benchmarks.quotas --json`.

- `overshoot_percent`: what four busy processes took of one tenant beyond burst and rate, in percent of what they might
  have taken; 0 when they took less. `undershoot_percent`: how much of the limit nobody got.
- `overhead_p50_us`, `overhead_p95_us`: one `take` in a process of its own, leases from Redis included.
- `neighbour_refused`: calls of another tenant, well below its limit, that were refused meanwhile.
- `outage_refused_percent`, `outage_slowest_ms`: a tenant well below its limit while Redis is killed and started again.
"""

import multiprocessing
import statistics
import time
from typing import Any

from benchmarks import harness

PROCESSES = 4
SECONDS = 10.0
RATE, BURST = 200.0, 400
CALLS = 40_000


def _busy(subject: str, together: Any, out: Any) -> None:
    """Take as much as there is, for SECONDS."""
    import django

    django.setup()
    from apps.quotas import services
    from apps.quotas.types import Limit, Measure

    limit, taken = Limit(RATE, BURST), 0
    services.take("bench:warm", limit, Measure.API)
    together.wait(timeout=120)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        verdict = services.take(subject, limit, Measure.API)
        taken += verdict.allowed
        if not verdict.allowed:
            time.sleep(0.001)
    out.put(("busy", taken, 0.0))


def _calm(subject: str, together: Any, out: Any) -> None:
    """Take at a tenth of the rate, for SECONDS; tell the refusals and the slowest call."""
    import django

    django.setup()
    from apps.quotas import services
    from apps.quotas.types import Limit, Measure

    limit, refused, slowest = Limit(RATE, BURST), 0, 0.0
    services.take("bench:warm", limit, Measure.API)
    together.wait(timeout=120)
    until = time.monotonic() + SECONDS
    calls = 0
    while time.monotonic() < until:
        began = time.perf_counter()
        refused += not services.take(subject, limit, Measure.API).allowed
        slowest = max(slowest, time.perf_counter() - began)
        calls += 1
        time.sleep(10 / RATE)
    out.put(("calm", refused / calls * 100, slowest * 1e3))


def _race(work: list[tuple[Any, str]], meanwhile: Any = None) -> tuple[list[tuple[str, float, float]], float]:
    """Run processes at once; return what they tell, and the seconds from their start to the last one's end."""
    spawn = multiprocessing.get_context("spawn")
    out: Any = spawn.Queue()
    together: Any = spawn.Barrier(len(work) + 1)
    workers = [spawn.Process(target=target, args=(subject, together, out)) for target, subject in work]
    for worker in workers:
        worker.start()
    together.wait(timeout=120)
    began = time.monotonic()
    if meanwhile is not None:
        meanwhile()
    told = [out.get(timeout=120) for _ in workers]
    seconds = time.monotonic() - began
    for worker in workers:
        worker.join()
    return told, seconds


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    load = harness.foreign_load()
    with harness.services() as running:
        import django

        django.setup()
        from apps.quotas import services
        from apps.quotas.types import Limit, Measure

        told, seconds = _race([(_busy, "bench:one")] * PROCESSES + [(_calm, "bench:other")])
        took = sum(count for kind, count, _ in told if kind == "busy")
        most = BURST + RATE * seconds
        refused = next(share for kind, share, _ in told if kind == "calm")

        wide = Limit(1e6, 10**8)
        taken = []
        for _ in range(CALLS):
            began = time.perf_counter_ns()
            services.take("bench:alone", wide, Measure.API)
            taken.append(time.perf_counter_ns() - began)

        def outage() -> None:
            time.sleep(SECONDS / 4)
            if running.redis.process is not None:
                running.redis.process.kill()
            time.sleep(SECONDS / 4)
            running.redis.stop()
            running.redis.start()

        told, _ = _race([(_calm, "bench:calm")] * 2, outage)
        figures = {
            "overshoot_percent": max(0.0, (took - most) / most * 100),
            "undershoot_percent": max(0.0, (most - took) / most * 100),
            "neighbour_refused": refused,
            "overhead_p50_us": statistics.median(taken) / 1e3,
            "overhead_p95_us": sorted(taken)[int(CALLS * 0.95)] / 1e3,
            "outage_refused_percent": max(share for _, share, _ in told),
            "outage_slowest_ms": max(slowest for _, _, slowest in told),
        }
        harness.report("quotas", figures, {}, {}, load)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
