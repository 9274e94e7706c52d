"""Counting what happens a hundred thousand times a second: added up here, told to the metric some times a second."""

import asyncio
from weakref import WeakKeyDictionary

from prometheus_client import Counter, Histogram

from apps.gateway.realtime.wire import Change, age_s
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


class Ages:
    """Observes the age of changes that are handed on: of those of one turn of the event loop the oldest."""

    __slots__ = ("_histogram", "_oldest")

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._oldest: Change | None = None

    def note(self, change: Change) -> None:
        """A change was handed on."""
        if self._oldest is None:
            self._oldest = change
            asyncio.get_running_loop().call_soon(self._tell)
        elif change.published_at < self._oldest.published_at:
            self._oldest = change

    def _tell(self) -> None:
        oldest, self._oldest = self._oldest, None
        if oldest is not None:
            self._histogram.observe(age_s(oldest))


_tallies: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Tally]]" = WeakKeyDictionary()


def tally(counter: Counter) -> Tally:
    """Return this event loop's tally for a counter."""
    found = _tallies.setdefault(asyncio.get_running_loop(), {})
    if id(counter) not in found:
        found[id(counter)] = Tally(counter)  # it keeps the counter, so that no other has its id
    return found[id(counter)]


_ages: "WeakKeyDictionary[asyncio.AbstractEventLoop, Ages]" = WeakKeyDictionary()


def ages(histogram: Histogram) -> Ages:
    """Return this event loop's ages, for the histogram of its first call."""
    loop = asyncio.get_running_loop()
    found = _ages.get(loop)
    if found is None:
        found = _ages[loop] = Ages(histogram)
    return found
