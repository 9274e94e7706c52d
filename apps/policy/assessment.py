"""Zero trust: what a session's signals allow. Pure decisions; no Django.

Low risk passes; medium risk passes after a fresh second factor; high risk and untrusted devices are refused. A signal
that is missing (`device_trusted` None) is no reason to refuse: not every identity provider sends one.
"""

from datetime import datetime, timedelta

from apps.core.context import SessionFacts
from apps.identity.types import STEP_UP_FRESHNESS
from apps.policy.types import Assessment, Risk


def is_fresh(second_factor_at: datetime | None, now: datetime) -> bool:
    """Return whether a second factor given then still counts as fresh now; one from the future does not."""
    if second_factor_at is None:
        return False
    return timedelta(0) <= now - second_factor_at <= STEP_UP_FRESHNESS


def assess(facts: SessionFacts, now: datetime) -> Assessment:
    """Return the verdict on a session."""
    if facts.device_trusted is False:
        return Assessment(False, False, "device", "this device is not trusted; use a managed device")
    if facts.risk == Risk.LOW:
        return Assessment(True, False, "risk", "risk is low")
    if facts.risk == Risk.MEDIUM:
        if is_fresh(facts.second_factor_at, now):
            return Assessment(True, False, "risk", "risk is medium, and a second factor was given just now")
        return Assessment(False, True, "risk", "this session's risk is medium; confirm with your second factor")
    return Assessment(False, False, "risk", "this session's risk is high; sign in again from a device that you know")
