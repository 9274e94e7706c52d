"""What a flag costs: `python -m benchmarks.flags --json`.

- `evaluation_us`: one `selectors.is_on(ctx, key)` of a flag with rules (a tenant, a region, an attribute, a share), its
  count for metrics and usage included: the median of batches. `evaluation_p99_us`: the slowest hundredth of single calls.
- `static_us`, `split_us`, `object_us`: a flag without rules; one that hashes; an object, which is copied.
- `openfeature_us`: the same flag through OpenFeature's client and our provider.
- `refresh_ms`: reading and compiling the registry of 1,000 flags. `kill_ms`: from the commit of a kill to its effect in
  another process, over Redis; the slowest of 20.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import harness

BATCHES, BATCH = 200, 500
FLAGS = 1_000
KILLS = 20


def _per_call_us(call: Callable[[], Any]) -> float:
    """Return the median over batches of the mean time of a call."""
    batches = []
    for _ in range(BATCHES):
        began = time.perf_counter_ns()
        for _ in range(BATCH):
            call()
        batches.append((time.perf_counter_ns() - began) / BATCH / 1e3)
    return statistics.median(batches)


def _slowest_us(call: Callable[[], Any]) -> float:
    times = []
    for _ in range(BATCHES * BATCH):
        began = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - began) / 1e3)
    return sorted(times)[int(len(times) * 0.99)]


def _watch(keys: list[str], ready: Any, out: Any) -> None:
    """Wait for each flag to go off; tell when."""
    import django

    django.setup()
    from apps.core.context import service_context
    from apps.flags import selectors

    ctx = service_context("watcher")
    selectors.is_on(ctx, keys[0])
    time.sleep(1.0)  # the listener is on its way
    ready.set()
    for key in keys:
        until = time.monotonic() + 30
        while selectors.is_on(ctx, key) and time.monotonic() < until:
            time.sleep(0.0005)
        out.put(time.time())


def _kills(ctx: Any, services: Any) -> list[float]:
    """Return how long each kill took to reach another process, in ms."""
    spawn = multiprocessing.get_context("spawn")
    ready, out = spawn.Event(), spawn.Queue()
    keys = [f"bench.kill{number}" for number in range(KILLS)]
    watcher = spawn.Process(target=_watch, args=(keys, ready, out))
    watcher.start()
    ready.wait(timeout=120)
    times = []
    for key in keys:
        services.kill(ctx, key=key, reason="benchmark")
        committed = time.time()
        times.append((out.get(timeout=60) - committed) * 1e3)
    watcher.join()
    return times


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    load = harness.foreign_load()
    with harness.services():
        import django

        django.setup()
        from openfeature import api

        from apps.core.context import service_context
        from apps.core.ids import new_id
        from apps.core.scope import system_scope
        from apps.flags import provider, selectors, services, snapshot
        from apps.flags.models import Flag

        ctx = service_context("benchmark")
        caller = ctx.but(tenant_id=new_id(), tenant_slug="bench", region="eu-west-1")
        common = {"owner": "bench", "scope": "tenant", "expires": "never", "killswitch": True, "risk": "low"}
        rules = [
            {"when": {"tenants": ["somebody", "else"]}, "serve": "on"},
            {"when": {"regions": ["us-east-1"], "attributes": {"plan": "pro"}}, "serve": "on"},
            {"split": {"on": 50}},
        ]
        made = [
            *({**common, "key": f"bench.fill{number}", "rules": rules} for number in range(FLAGS - 4 - KILLS)),
            *({**common, "key": f"bench.kill{number}", "default": "on"} for number in range(KILLS)),
            {**common, "key": "bench.rules", "rules": [*rules[:2], {"when": {"tenants": ["bench"]}, "serve": "on"}]},
            {**common, "key": "bench.static"},
            {**common, "key": "bench.split", "rules": rules},
            {**common, "key": "bench.object", "type": "object", "variants": {"a": {"b": [1, 2]}}, "default": "a"},
        ]
        for document in made:
            services.create_flag(ctx, document=document, reason="benchmark")
        client, context = api.get_client(), provider.context_of(caller)
        refreshes = []
        for _ in range(10):
            with system_scope("flags.registry"):
                began = time.perf_counter()
                snapshot.compiled({}, list(Flag.objects.all()))
                refreshes.append((time.perf_counter() - began) * 1e3)
        nothing: dict[str, Any] = {}
        figures = {
            "evaluation_us": _per_call_us(lambda: selectors.is_on(caller, "bench.rules")),
            "evaluation_p99_us": _slowest_us(lambda: selectors.is_on(caller, "bench.rules")),
            "static_us": _per_call_us(lambda: selectors.is_on(caller, "bench.static")),
            "split_us": _per_call_us(lambda: selectors.is_on(caller, "bench.split")),
            "object_us": _per_call_us(lambda: selectors.value(caller, "bench.object", nothing)),
            "openfeature_us": _per_call_us(lambda: client.get_boolean_value("bench.rules", False, context)),
            "refresh_ms": statistics.median(refreshes),
            "kill_ms": max(_kills(ctx, services)),
        }
        snapshot.stop()
        harness.report("flags", figures, {}, {}, load)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
