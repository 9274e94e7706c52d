"""Token buckets as arithmetic. Pure: time comes in, nothing is stored elsewhere."""

from dataclasses import dataclass

from apps.quotas.types import Limit


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


def lease_size(limit: Limit, cost: int) -> int:
    """Return how many tokens a process takes from the shared bucket at once.

    A twentieth of a second's flow, at least what is needed now: two hundred calls a second ask Redis twenty times a
    second, and what a process may hold unused stays below five hundredths of one second's limit.
    """
    return max(cost, int(limit.rate_per_s / 20))
