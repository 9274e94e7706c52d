"""Time: aware UTC, from one replaceable source, so that tests can move it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the current time, aware, in UTC, with microseconds."""
    return datetime.now(UTC)


def fixed(at: datetime) -> Clock:
    """Return a clock that always says `at`."""
    return lambda: at


def shifted(by: timedelta) -> Clock:
    """Return a clock that runs `by` ahead of the system's (negative: behind)."""
    return lambda: utc_now() + by


@lru_cache(maxsize=64)  # all rows of a batch are of one instant
def iso(at: datetime) -> str:
    """Return `at` as `2026-11-21T00:00:00.000000Z` (RFC 3339, always microseconds, always UTC)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
