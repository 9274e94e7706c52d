"""What a subscription was not told, and how it is told so. Pure: no Django.

Nothing is left out silently. Of updates in a row that were left out the newest is told, and the result that tells it
says in `extensions.discontinuity` how many are missing before it, which and why. So each `next` stays a whole GraphQL
result that every client understands, and nobody is left with an old state.
"""

from enum import StrEnum
from typing import Any

import orjson

from apps.gateway.realtime.wire import Change

_MARKS = ('"discontinuity"', '"coalesced"')


class Reason(StrEnum):
    """Why updates were left out."""

    SLOW_CONSUMER = "SLOW_CONSUMER"  # the client reads more slowly than updates come
    TENANT_RATE = "TENANT_RATE"  # the tenant's bucket of live updates is empty
    TOPIC_RATE = "TOPIC_RATE"  # the bucket of this one topic is empty


def since_before(change: Change) -> str:
    """Return the event id to pass as `since` to be told this change first."""
    return str(change.number - 1) if change.position <= 0 else f"{change.number}.{change.position - 1}"


def with_extensions(payload: str, told: dict[str, Any]) -> str:
    """Return a result, which is JSON, with these extensions besides those that it has."""
    if not told:
        return payload
    result = orjson.loads(payload)
    result["extensions"] = {**result.get("extensions", {}), **told}
    return orjson.dumps(result).decode()


def _carried(payload: str | None) -> dict[str, Any]:
    """Return the extensions of a result."""
    if payload is None or not any(mark in payload for mark in _MARKS):
        return {}
    found: dict[str, Any] = orjson.loads(payload).get("extensions", {})
    return found


class Gap:
    """Updates in a row that are not handed on; the newest of them will be, in place of all.

    `payload` is the newest one's result, None when it is not made yet; then `superseded` is how many updates it stands
    for besides.
    """

    __slots__ = ("_first", "_last", "_missed", "_reasons", "_since", "change", "payload", "superseded")

    def __init__(self, reason: Reason, change: Change, payload: str | None = None, superseded: int = 0) -> None:
        self.change, self.payload, self.superseded = change, payload, superseded
        self._reasons = {reason.value}
        self._first, self._since, self._last = change.event_id, since_before(change), ""
        self._missed = 0

    @property
    def missed(self) -> int:
        """How many updates are left out so far, the newest not among them."""
        return self._missed

    @property
    def reasons(self) -> list[str]:
        """Why they were left out."""
        return sorted(self._reasons)

    def add(
        self, change: Change, payload: str | None = None, reason: Reason | None = None, superseded: int = 0
    ) -> None:
        """Leave out what was the newest so far: this is the newest."""
        carried = _carried(self.payload)
        self._take_over(carried.get("discontinuity"))
        self._missed += 1 + self.superseded + int(carried.get("coalesced", {}).get("superseded", 0))
        self._last = self.change.event_id
        self.change, self.payload, self.superseded = change, payload, superseded
        if reason is not None:
            self._reasons.add(reason.value)

    def join(self, later: "Gap") -> None:
        """Go on with the gap that follows this one without anything between."""
        missed, last = later.missed, later._last
        self.add(later.change, later.payload, superseded=later.superseded)
        self._reasons |= later._reasons
        self._missed += missed
        self._last = last or self._last

    def _take_over(self, earlier: dict[str, Any] | None) -> None:
        """Take over what a result that is left out itself says of a gap before it."""
        if earlier is None:
            return
        if not self._missed:
            self._first, self._since = earlier["first"], earlier["since"]
        self._missed += int(earlier["missed"])
        self._reasons.update(earlier["reasons"])

    def extensions(self, payload: str | None = None) -> dict[str, Any]:
        """Return what the newest one's result has to say: {} when nothing is missing before it."""
        carried = _carried(payload).get("discontinuity")
        if not self._missed:
            return {"discontinuity": carried} if carried else {}
        missed, last, reasons = self._missed, self._last, self._reasons
        if carried:
            missed, last, reasons = missed + int(carried["missed"]), carried["last"], reasons | set(carried["reasons"])
        return {
            "discontinuity": {
                "missed": missed,
                "first": self._first,
                "last": last,
                "since": self._since,
                "reasons": sorted(reasons),
            }
        }

    def result(self, payload: str) -> str:
        """Return the newest one's result with what it has to say."""
        return with_extensions(payload, self.extensions(payload))
