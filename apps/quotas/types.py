"""Words of quotas."""

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(slots=True)
class Bucket:
    """Tokens at a moment (seconds of any steady clock)."""

    tokens: float
    at_s: float

    def refill(self, limit: Limit, now_s: float) -> None:
        """Let the tokens flow in that are due; a clock that went back changes nothing."""
        gained = max(0.0, now_s - self.at_s) * limit.rate_per_s
        self.tokens = min(float(limit.burst), self.tokens + gained)
        self.at_s = max(self.at_s, now_s)

    def take(self, limit: Limit, cost: float, now_s: float) -> bool:
        """Take `cost` tokens if they are there. A cost above the burst is never met."""
        self.refill(limit, now_s)
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True

    def wait_s(self, limit: Limit, cost: float) -> float:
        """Return the seconds until `cost` tokens are there, from the last refill on."""
        return max(0.0, (cost - self.tokens) / limit.rate_per_s)

    def full_in_s(self, limit: Limit) -> float:
        """Return the seconds until the bucket is full, from the last refill on."""
        return max(0.0, (limit.burst - self.tokens) / limit.rate_per_s)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of the catalogue: its limits in the order of `Measure`, and its storage (None where none is named)."""

    id: str
    name: str
    limits: tuple[Limit, ...]
    storage_gb: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant stands against one limit now.

    `left` are the tokens in the shared bucket, None when Redis is away. `by_plan` is what the plan alone would allow;
    an override, where one holds, says why and until when.
    """

    measure: Measure
    limit: Limit
    by_plan: Limit
    left: float | None
    reason: str = ""
    until: datetime | None = None

    @property
    def overridden(self) -> bool:
        """Whether another limit than the plan's holds."""
        return self.limit != self.by_plan

    @property
    def used(self) -> float:
        """Tokens taken and not flowed back yet; 0 when it is not known."""
        return 0.0 if self.left is None else max(0.0, self.limit.burst - self.left)

    @property
    def full_in_s(self) -> float:
        """Seconds until the bucket is full again, when nothing more is taken."""
        return self.used / self.limit.rate_per_s


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used of one limit now: whole tokens of `limit.burst`; None while Redis is away."""

    measure: Measure
    limit: Limit
    used: int | None

    @property
    def full_in_s(self) -> float:
        """Seconds until nothing is used any more, when nothing more is taken; 0 when it is not known."""
        return (self.used or 0) / self.limit.rate_per_s


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
