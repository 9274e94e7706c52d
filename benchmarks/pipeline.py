"""What the five stages cost a request: `python -m benchmarks.pipeline --json`.

Token, tenant, zero trust, quota and policy in a row, in one process on a real PostgreSQL and Redis, for an API key:

- `p50_us`, `p95_us`: warm, as nearly every request is; with Redis asked for a lease now and then.
- `cold_p95_us`: a key that this process has not seen before, of a tenant that it knows.
- `empty_p95_us`, `empty_max_us`: nothing is kept in the process, as at the first request after a start.

What another process does at the same time on the machine stands in `foreign_load`, and in the tails.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import harness

WARM = 30_000
COLD = 400


def _percentile(taken: list[int], share: float) -> float:
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))] / 1e3


def _timed(work: Callable[[], Any], rounds: int, before: Callable[[], Any] | None = None) -> list[int]:
    """Return how many nanoseconds each round took, without what `before` does."""
    taken = []
    for _ in range(rounds):
        if before is not None:
            before()
        began = time.perf_counter_ns()
        work()
        taken.append(time.perf_counter_ns() - began)
    return taken


def main() -> int:
    """Measure and print. Exits 1 only when it could not measure."""
    load = harness.foreign_load()
    with harness.services():
        import django

        django.setup()
        from apps.core.context import Context, SessionFacts, service_context
        from apps.core.kept import drop_everything
        from apps.core.scope import no_scope, tenant_scope
        from apps.gateway import lifespan, pipeline
        from apps.identity import services as identity
        from apps.quotas.models import Override
        from apps.quotas.selectors import forget_limits
        from apps.tenants import services as tenancy

        ctx = service_context("benchmark")
        info = tenancy.create_tenant(ctx, slug="bench", name="Benchmark", home_region="eu-west-1")
        inside = ctx.but(tenant_id=info.id, tenant_slug=info.slug, region="eu-west-1")
        with tenant_scope(info.id):
            # The stage stays on; its limit is lifted so that nothing is refused.
            Override.objects.create(
                measure="api", rate_per_s=1e5, burst=10**7, reason="benchmark", created_by="benchmark"
            )
            tokens = [identity.create_api_key(inside, name=f"k{n}", scope="reader").token for n in range(2 * COLD)]
        arrivals = [
            pipeline.Arrival(
                authorization=f"Bearer {token}",
                purpose="investigation",
                request_id="bench-0001",
                around=SessionFacts(ip="127.0.0.1"),
            )
            for token in tokens
        ]
        place = iter(arrivals)

        def forget() -> None:
            drop_everything()
            forget_limits()

        def request(arrival: pipeline.Arrival = arrivals[0]) -> None:
            passage = pipeline.Passage(arrival, Context(), action="graph.entity.read")
            pipeline.walk(passage, pipeline.STAGES)

        with no_scope():
            _timed(request, 2_000)
            lifespan.settle()  # as the web process does when it is ready
            warm = _timed(request, WARM)
            unseen = _timed(lambda: request(next(place)), COLD)
            cold = _timed(lambda: request(next(place)), COLD, before=forget)
        harness.report(
            "pipeline",
            {
                "p50_us": statistics.median(warm) / 1e3,
                "p95_us": _percentile(warm, 0.95),
                "p99_us": _percentile(warm, 0.99),
                "cold_p50_us": statistics.median(unseen) / 1e3,
                "cold_p95_us": _percentile(unseen, 0.95),
                "cold_max_us": max(unseen) / 1e3,
                "empty_p50_us": statistics.median(cold) / 1e3,
                "empty_p95_us": _percentile(cold, 0.95),
                "empty_max_us": max(cold) / 1e3,
            },
            {},
            {},
            load,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
