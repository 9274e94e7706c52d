"""When a flag should go. Pure: days come in, findings come out.

Past its date a flag warns for the days of grace, then fails; it goes on working all the same, since turning a feature off
because of a date would be an outage by calendar. A flag that nobody evaluates any more is stale.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from apps.flags.types import Definition, Finding, FindingKind

NOTHING: Mapping[str, datetime] = {}
MEND = "Take it out of the code and the registry, or give it a new date with a reason."


def findings_of(
    definitions: Iterable[Definition],
    *,
    today: date,
    grace_days: int,
    stale_days: int = 0,
    seen: Mapping[str, datetime] = NOTHING,
    known_since: Mapping[str, datetime] = NOTHING,
) -> list[Finding]:
    """Return what is wrong, by key, worst first where a flag has several faults.

    A flag is good until its date has ended (UTC). `seen` says when each flag was last evaluated, `known_since` since when
    this installation knows it: a new flag is not stale before `stale_days` have gone by. Without `stale_days` none is.
    """
    found = []
    for one in sorted(definitions, key=lambda one: one.key):
        if one.expires is not None and today > one.expires:
            last = one.expires + timedelta(days=grace_days)
            if today > last:
                kind, told = FindingKind.OVERDUE, f"it expired on {one.expires} and its days of grace ended on {last}"
            else:
                kind, told = FindingKind.EXPIRED, f"it expired on {one.expires}; from {last} on this fails"
            found.append(Finding(one.key, kind, one.owner, one.expires, f"{told}. {MEND}"))
        reference = max((at for at in (seen.get(one.key), known_since.get(one.key)) if at is not None), default=None)
        if stale_days and reference is not None and today - reference.date() > timedelta(days=stale_days):
            asked = "nobody has evaluated it so far" if one.key not in seen else f"last evaluated {reference.date()}"
            found.append(Finding(one.key, FindingKind.STALE, one.owner, reference.date(), f"{asked}. {MEND}"))
    return found
