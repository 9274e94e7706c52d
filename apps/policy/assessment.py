"""Freshness of a second factor. Pure; what it opens is policy's to say."""

from datetime import datetime, timedelta

from apps.identity.types import STEP_UP_FRESHNESS


def is_fresh(second_factor_at: datetime | None, now: datetime) -> bool:
    """Return whether a second factor given then still counts as fresh now; one from the future does not."""
    if second_factor_at is None:
        return False
    return timedelta(0) <= now - second_factor_at <= STEP_UP_FRESHNESS
