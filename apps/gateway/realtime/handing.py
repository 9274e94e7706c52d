"""Hands a tenant's changes to the shapes that want them, at the tenant's pace; says what was left out or coalesced."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

from apps.core.telemetry import get_logger
from apps.gateway.realtime.batches import MAX_WAITING as FULL
from apps.gateway.realtime.batches import Flusher
from apps.gateway.realtime.gaps import with_extensions
from apps.gateway.realtime.pacing import MAX_ENTITIES, Newest, Pacer
from apps.gateway.realtime.shapes import Shape
from apps.gateway.realtime.wire import Change

log = get_logger(__name__)

SETTLE_S = 0.25  # a shape that was left something out is told its newest change so much later, once tokens are there


class Handing:
    """The shapes' end of a feed. `wake` is called when something is due: then `pay` is to be called."""

    def __init__(self, flusher: Flusher, pacer: Pacer, wake: Callable[[], None]) -> None:
        self.flusher, self.pacer, self._wake = flusher, pacer, wake
        self.is_due = False
        self._owing: dict[Shape, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def at_once(self, wanted: Sequence[tuple[Shape, Change]]) -> bool:
        """Return whether these changes may be handed on without further ado; then their tokens are taken."""
        if not wanted:
            return True
        if self._owing:
            return False
        if len(wanted) == 1:  # as most are
            shape = wanted[0][0]
            return shape.latest is None and self.pacer.take_one(shape.source.ref_id or "", time.monotonic())
        if any(shape.latest is not None for shape, _ in wanted):
            return False
        topics = Counter(topic for topic, _ in {(shape.topic, change.cursor) for shape, change in wanted})
        return self.pacer.take_all(len({change.cursor for _, change in wanted}), topics, time.monotonic())

    def put(self, shape: Shape, change: Change, payload: str) -> None:
        """Have a result handed on with the window's."""
        shape.waiting.append((change, payload))
        if len(shape.waiting) >= FULL:
            shape.flush()
        else:
            self.flusher.mark(shape)

    async def tell(self, shape: Shape, change: Change) -> None:
        """Hand a change on, now or later, if the shape wants it. Does not raise: members of a shape that cannot be told
        are told to come back."""
        try:
            if not shape.wants(change):
                return
            if shape.latest is None:
                await self._offer(shape, Newest(change))
                return
            shape.latest.add(change)
            self._owe(shape, shape.source.coalesce_s)
            if len(shape.latest) >= MAX_ENTITIES:
                await self._pay(shape)
        except Exception as error:
            log.error("a change cannot be shown", shape=shape.source.field, event_id=change.event_id, exc_info=error)
            _broken(shape)

    async def pay(self) -> None:
        """Hand on what is due now."""
        self.is_due, now = False, time.monotonic()
        for shape in [shape for shape, due in self._owing.items() if due <= now]:
            del self._owing[shape]
            try:
                await self._pay(shape)
            except Exception as error:
                log.error("changes cannot be shown", shape=shape.source.field, exc_info=error)
                _broken(shape)
        self._arm()

    def forget(self, shape: Shape) -> None:
        """Nobody is left who could be told."""
        self._owing.pop(shape, None)

    def end(self) -> None:
        """Nothing is due any more."""
        self._owing.clear()
        if self._timer is not None:
            self._timer.cancel()

    async def _pay(self, shape: Shape) -> None:
        for newest in shape.latest.take() if shape.latest is not None else ():
            await self._offer(shape, newest)
        if shape.gap is not None:
            # The one that nothing came after: its place in the order is still here.
            gap = shape.gap
            self.pacer.ask_anew()
            await self._offer(shape, Newest(gap.change, gap.superseded), again=True)

    async def _offer(self, shape: Shape, newest: Newest, again: bool = False) -> None:
        change = newest.change
        reason = self.pacer.refuses(shape.topic, change.cursor, time.monotonic())
        if reason is None:
            payload = await shape.render(change)
            self.put(shape, change, with_extensions(payload, shape.owed(newest)))
            return
        if not again:
            shape.leave_out(reason, newest)
        self._owe(shape, SETTLE_S)

    def _owe(self, shape: Shape, seconds: float) -> None:
        if shape not in self._owing:
            self._owing[shape] = time.monotonic() + seconds
            self._arm()

    def _arm(self) -> None:
        """Have the timer ring when the first is due."""
        first = min(self._owing.values(), default=0.0)
        if self._timer is not None:
            if self._rings_at <= first or not self._owing:
                return
            self._timer.cancel()
            self._timer = None
        if self._owing:
            self._rings_at = first
            self._timer = asyncio.get_running_loop().call_later(max(0.0, first - time.monotonic()), self._ring)

    def _ring(self) -> None:
        self._timer, self.is_due = None, True
        self._wake()


def _broken(shape: Shape) -> None:
    for seat in list(shape.seats):
        seat.member.broken()
