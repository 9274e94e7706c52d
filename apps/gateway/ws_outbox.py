"""What waits to be sent on one connection, bounded: a client that does not read is cut off, never waited for."""

import asyncio
from collections import deque

from apps.gateway.realtime.batches import Ready

MAX_MESSAGES = 20_000
MAX_BYTES = 8 * 1024 * 1024


class Overflow(Exception):
    """The client is too slow: the outbox is full."""


class Outbox:
    """Texts and ready frames in order, then perhaps a close. Texts are counted in characters, which is close enough to bytes."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages, self.max_bytes = max_messages, max_bytes
        self.size = 0
        self._texts: deque[str | Ready] = deque()
        self._taken = False
        self._close: tuple[int, str] | None = None
        self._woken = asyncio.Event()
        self._closed = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()

    def __len__(self) -> int:
        return len(self._texts)

    def put(self, text: str | Ready) -> None:
        """Add a text, or frames. Raises Overflow when there is no room; after a close nothing is added."""
        if self._close is not None:
            return
        if len(self._texts) >= self.max_messages or self.size + len(text) > self.max_bytes:
            raise Overflow
        self._texts.append(text)
        self.size += len(text)
        if not self._has_room():
            self._drained.clear()
        self._woken.set()

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Close after what waits (or instead of it). The first close counts."""
        if self._close is None:
            self._close = (code, reason)
            self._closed.set()
        if at_once:
            self._texts.clear()
            self.size = 0
            self._drained.set()
        self._woken.set()

    def _has_room(self) -> bool:
        return len(self._texts) * 2 < self.max_messages and self.size * 2 < self.max_bytes

    async def room(self) -> None:
        """Wait until the outbox is at most half full: for who has much to send and may wait, such as a replay."""
        await self._drained.wait()

    @property
    def idle(self) -> bool:
        """True while nothing waits and nothing that was taken is still being sent: then others may write."""
        return not self._taken and not self._texts and self._close is None

    @property
    def updates(self) -> int:
        """How many messages wait."""
        return sum(1 if isinstance(each, str) else len(each.batch) for each in self._texts)

    @property
    def closing(self) -> bool:
        """True once a close waits."""
        return self._close is not None

    async def closed(self) -> None:
        """Wait until a close is put in."""
        await self._closed.wait()

    async def take(self) -> str | Ready | tuple[int, str]:
        """Return the next text or frames, or the close once all are out. What was taken before has been sent."""
        self._taken = False
        while True:
            if self._texts:
                text = self._texts.popleft()
                self._taken = True
                self.size -= len(text)
                if self._has_room():
                    self._drained.set()
                return text
            if self._close is not None:
                return self._close
            self._woken.clear()
            await self._woken.wait()
