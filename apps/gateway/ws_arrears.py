"""What one connection's subscriptions were not told because its client reads too slowly.

When the outbox is full, updates are left out and counted. As soon as half of it was read, each subscription is told its
newest update with what is missing before it (`realtime/gaps.py`). A client that does not get so far within SLOW_S, or
falls behind more often than MAX_EPISODES in EPISODES_S, is told the same in place of all that waits, and closed.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from apps.gateway import measures
from apps.gateway.realtime.batches import Ready
from apps.gateway.realtime.gaps import Gap, Reason
from apps.gateway.realtime.wire import Change

SLOW_S = 10.0
MAX_EPISODES = 5
EPISODES_S = 60.0


class Arrears:
    """Gaps of a connection's operations, by their id as JSON."""

    __slots__ = ("_began", "_now", "episode", "gaps")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.gaps: dict[bytes, Gap] = {}
        self.episode = 0
        self._began: deque[float] = deque(maxlen=MAX_EPISODES + 1)
        self._now = now

    def leave_out(self, id_: bytes, told: Iterable[tuple[Change, str]]) -> bool:
        """Leave updates of an operation out. Returns whether the client fell behind with them, having kept up before."""
        begins = not self.gaps
        if begins:
            self.episode += 1
            self._began.append(self._now())
        _extend(self.gaps, id_, told)
        return begins

    @property
    def too_often(self) -> bool:
        """True when the client falls behind again and again."""
        return len(self._began) > MAX_EPISODES and self._began[-1] - self._began[0] < EPISODES_S

    def settle(self) -> Iterator[str]:
        """Yield the message that ends each gap; one that was taken counts as sent."""
        for id_ in list(self.gaps):
            gap = self.gaps[id_]
            yield _message(id_, gap)
            del self.gaps[id_]
            _count(gap)

    def last_words(self, unsent: Iterable[Ready]) -> Iterator[str]:
        """Yield what is said in place of what still waits and of what was left out, one message an operation."""
        gaps: dict[bytes, Gap] = {}
        for ready in unsent:
            _extend(gaps, ready.id, ready.batch)
        for id_, later in self.gaps.items():
            earlier = gaps.get(id_)
            if earlier is None:
                gaps[id_] = later
            else:
                earlier.join(later)
        self.gaps = {}
        for id_, gap in gaps.items():
            _count(gap)
            yield _message(id_, gap)

    def forget(self, id_: bytes) -> None:
        """The operation has ended."""
        self.gaps.pop(id_, None)


def _extend(gaps: dict[bytes, Gap], id_: bytes, told: Iterable[tuple[Change, str]]) -> None:
    gap = gaps.get(id_)
    for change, payload in told:
        if gap is None:
            gap = gaps[id_] = Gap(Reason.SLOW_CONSUMER, change, payload)
        else:
            gap.add(change, payload)


def _message(id_: bytes, gap: Gap) -> str:
    return f'{{"id":{id_.decode()},"type":"next","payload":{gap.result(gap.payload or "{}")}}}'


def _count(gap: Gap) -> None:
    if gap.missed:
        measures.DROPPED.inc(gap.missed)
        measures.DISCONTINUITIES.labels(Reason.SLOW_CONSUMER.value).inc()
