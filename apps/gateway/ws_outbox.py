"""What waits to be sent on one connection, bounded: a client that does not read is never waited for."""

from collections import deque
from collections.abc import Callable

from apps.gateway.realtime.batches import BUFFER, Ready
from apps.gateway.waiting import Gate

MAX_MESSAGES = 20_000
MAX_BYTES = 4 * 1024 * 1024
MAX_REASON_BYTES = 123  # a control frame's 125 without the code (RFC 6455 section 5.5)


class Overflow(Exception):
    """The client is too slow: the outbox is full."""


class Outbox:
    """Texts and ready frames in order, then perhaps a close. Texts are counted in characters, which is close enough to bytes.

    `woken` is called when something is there to be taken.
    """

    __slots__ = ("_close", "_drained", "_taken", "_texts", "_woken", "max_bytes", "max_messages", "size")

    def __init__(
        self,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        *,
        woken: Callable[[], None] | None = None,
    ) -> None:
        self.max_messages, self.max_bytes = max_messages, max_bytes
        self.size = 0
        self._texts: deque[str | Ready] | None = None  # only while something waits
        self._taken = False
        self._close: tuple[int, str] | None = None
        self._woken = woken
        self._drained = Gate(is_open=True)

    def __len__(self) -> int:
        return len(self._texts) if self._texts else 0

    def updates(self, id_: bytes) -> int:
        """Return how many updates of an operation wait."""
        return sum(len(each.batch) for each in self._texts or () if isinstance(each, Ready) and each.id == id_)

    def put(self, text: str | Ready) -> None:
        """Add a text, or frames. Raises Overflow when something waits and there is no room for more; after a close
        nothing is added."""
        if self._close is not None:
            return
        if self._texts and (len(self._texts) >= self.max_messages or self.size + len(text) > self.max_bytes):
            raise Overflow
        if self._texts and isinstance(text, Ready) and BUFFER.is_full:
            raise Overflow
        if self._texts is None:
            self._texts = deque()
        self._texts.append(text)
        self.size += len(text)
        if not self.has_room:
            self._drained.clear()
        if self._woken is not None:
            self._woken()

    def close(self, code: int, reason: str, *, at_once: bool = False) -> None:
        """Close after what waits (or instead of it). The first close counts. Of a long reason its beginning is said."""
        if self._close is None:
            self._close = (code, reason.encode("utf-8", "replace")[:MAX_REASON_BYTES].decode("utf-8", "ignore"))
        if at_once:
            self.abandon()
        if self._woken is not None:
            self._woken()

    def abandon(self) -> list[Ready]:
        """Forget what waits; return the updates among it."""
        updates = [each for each in self._texts or () if isinstance(each, Ready)]
        self._texts = None
        self.size = 0
        self._drained.set()
        return updates

    @property
    def has_room(self) -> bool:
        """True while at most half of it is used."""
        return len(self) * 2 < self.max_messages and self.size * 2 < self.max_bytes

    async def room(self) -> None:
        """Wait until the outbox is at most half full: for who has much to send and may wait, such as a replay."""
        await self._drained.wait()

    @property
    def idle(self) -> bool:
        """True while nothing waits and nothing that was taken is still being sent: then others may write."""
        return not self._taken and self._texts is None and self._close is None

    @property
    def closing(self) -> bool:
        """True once a close waits."""
        return self._close is not None

    @property
    def close_said(self) -> tuple[int, str] | None:
        """The close that waits or was sent, if any: code and reason."""
        return self._close

    @property
    def code(self) -> int | None:
        """The code of the close that waits or was sent, if any."""
        return None if self._close is None else self._close[0]

    def take(self) -> str | Ready | tuple[int, str] | None:
        """Return the next text or frames, the close once all are out, or None when there is nothing.

        What was taken before has been sent.
        """
        self._taken = False
        if self._texts is None:
            return self._close
        text = self._texts.popleft()
        if not self._texts:
            self._texts = None
        self._taken = True
        self.size -= len(text)
        if self.has_room:
            self._drained.set()
        return text
