"""Words of quotas."""

from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What is counted. Each has its own bucket per tenant."""

    API = "api"  # GraphQL operations and REST calls
    INGEST = "ingest"  # rows taken in
    DELIVERIES = "deliveries"  # pushed updates


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket: `rate_per_s` tokens flow in each second, at most `burst` are kept."""

    rate_per_s: float
    burst: int

    @property
    def window_s(self) -> int:
        """Seconds in which an empty bucket fills up."""
        return max(1, round(self.burst / self.rate_per_s))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What taking tokens gave.

    `remaining` tokens are left in the tenant's bucket as far as this process knows; `reset_s` is when it is full
    again; `retry_after_s` (0 when allowed) is when enough will have flowed in. `degraded` says that Redis was away and
    this process counted alone.
    """

    allowed: bool
    limit: Limit
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0
    degraded: bool = False
