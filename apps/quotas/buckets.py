"""Token buckets as arithmetic. Pure: time comes in, nothing is stored elsewhere."""

from apps.quotas.types import Bucket as Bucket
from apps.quotas.types import Limit


def lease_size(limit: Limit, cost: int) -> int:
    """Return how many tokens a process takes from the shared bucket at once.

    A twentieth of a second's flow, at least what is needed now: two hundred calls a second ask Redis twenty times a
    second, and what a process may hold unused stays below five hundredths of one second's limit.
    """
    return max(cost, int(limit.rate_per_s / 20))
