"""What each plan allows. Pure table; figures of the plan catalogue (calls per second, rows per second)."""

from collections.abc import Mapping

from apps.quotas.types import Limit, Measure, Plan

BURST_S = 60  # a bucket holds one minute's flow

_RATES: Mapping[str, Mapping[Measure, float]] = {
    "starter": {Measure.API: 50, Measure.INGEST: 1_000, Measure.DELIVERIES: 1_000},
    "pro": {Measure.API: 100, Measure.INGEST: 2_500, Measure.DELIVERIES: 5_000},
    "enterprise": {Measure.API: 200, Measure.INGEST: 5_000, Measure.DELIVERIES: 20_000},
}
STORAGE_GB: Mapping[str, int | None] = {"starter": 200, "pro": None, "enterprise": 2_000}
"""Storage of each plan in the catalogue; None where it names none."""
LOWEST = "starter"
ANONYMOUS = Limit(rate_per_s=5, burst=300)


def catalogue() -> tuple[Plan, ...]:
    """Return the plans, smallest first, with their limits in the order of `Measure`."""
    return tuple(
        Plan(plan, plan.capitalize(), tuple(limit_of(plan, measure) for measure in Measure), STORAGE_GB[plan])
        for plan in _RATES
    )


def limit_of(plan: str, measure: Measure) -> Limit:
    """Return a plan's limit; a plan that the catalogue does not name gets the lowest one's."""
    rate = _RATES.get(plan.lower(), _RATES[LOWEST])[measure]
    return Limit(rate_per_s=rate, burst=int(rate * BURST_S))
