"""Waiting that costs nothing while nobody waits. Of an event loop's thousands of connections most are idle: asyncio's
own `Event` and `Queue` keep room for waiters from the start (0.8 and 3 kB), which is then most of a connection."""

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from apps.core.telemetry import get_logger

log = get_logger(__name__)

TICK_S = 0.25


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Gate:
    """Open or closed, as `asyncio.Event` is set or not."""

    __slots__ = ("_open", "_waiters")

    def __init__(self, *, is_open: bool = False) -> None:
        self._open = is_open
        self._waiters: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Return whether it is open."""
        return self._open

    def set(self) -> None:
        """Open it: all who wait go on."""
        self._open = True
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            _wake(waiter)

    def clear(self) -> None:
        """Close it."""
        self._open = False

    async def wait(self) -> bool:
        """Wait until it opens. Returns True, as `asyncio.Event` does."""
        if not self._open:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if self._waiters and waiter in self._waiters:  # cancelled
                    self._waiters.remove(waiter)
        return True


class Mailbox:
    """Messages for one reader, in order, as in `asyncio.Queue`. Unbounded: who puts must be held back otherwise."""

    __slots__ = ("_came", "_next", "_waiter")

    def __init__(self) -> None:
        # Two stacks: what came, newest last, and what is read next, oldest last.
        self._came: list[Any] = []
        self._next: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        """Return whether nothing is there."""
        return not (self._came or self._next)

    def put_nowait(self, message: Any) -> None:
        """Add a message."""
        self._came.append(message)
        if self._waiter is not None:
            _wake(self._waiter)

    async def get(self) -> Any:
        """Return the oldest message; wait for one."""
        while not self._next:
            if self._came:
                self._came.reverse()
                self._came, self._next = self._next, self._came
                break
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._next.pop()


class Alarm:
    """Something that will be called, unless it is cancelled."""

    __slots__ = ("_what",)

    def __init__(self, what: Callable[[], None]) -> None:
        self._what: Callable[[], None] | None = what

    def cancel(self) -> None:
        """Do not call it."""
        self._what = None

    def ring(self) -> None:
        """Call it, once."""
        what, self._what = self._what, None
        if what is not None:
            what()


class Clock:
    """One timer for the deadlines of all connections of an event loop: never early, at most two TICK_S late."""

    def __init__(self) -> None:
        self._due: dict[int, list[Alarm]] = {}
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def later(self, seconds: float, what: Callable[[], None]) -> Alarm:
        """Call `what` after so many seconds."""
        alarm = Alarm(what)
        tick = int((self._loop.time() + max(0.0, seconds)) / TICK_S) + 1
        self._due.setdefault(tick, []).append(alarm)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)
        return alarm

    def _tick(self) -> None:
        now = int(self._loop.time() / TICK_S)
        for tick in sorted(tick for tick in self._due if tick <= now):
            for alarm in self._due.pop(tick):
                try:
                    alarm.ring()
                except Exception:  # one connection's trouble is not the others'
                    log.exception("a deadline could not be met")
        self._timer = self._loop.call_later(TICK_S, self._tick) if self._due else None


_clocks: "WeakKeyDictionary[asyncio.AbstractEventLoop, Clock]" = WeakKeyDictionary()


def clock() -> Clock:
    """Return this event loop's clock."""
    loop = asyncio.get_running_loop()
    found = _clocks.get(loop)
    if found is None:
        found = _clocks[loop] = Clock()
    return found
