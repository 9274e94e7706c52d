"""Counting what happens a hundred thousand times a second: added up here, told to the metric some times a second."""

import asyncio
from weakref import WeakKeyDictionary

from prometheus_client import Counter

from apps.gateway.waiting import clock


class Tally:
    """Adds up for a counter. A counter that processes share takes a lock and writes to a file each time."""

    __slots__ = ("_count", "_counter")

    def __init__(self, counter: Counter) -> None:
        self._counter, self._count = counter, 0

    def inc(self, count: int = 1) -> None:
        """Count so many more."""
        if not self._count:
            clock().later(0.0, self._tell)
        self._count += count

    def _tell(self) -> None:
        count, self._count = self._count, 0
        self._counter.inc(count)


_tallies: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Tally]]" = WeakKeyDictionary()


def tally(counter: Counter) -> Tally:
    """Return this event loop's tally for a counter."""
    found = _tallies.setdefault(asyncio.get_running_loop(), {})
    if id(counter) not in found:
        found[id(counter)] = Tally(counter)  # it keeps the counter, so that no other has its id
    return found[id(counter)]
