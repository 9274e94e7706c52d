"""Changes of a short window that a shape hands on together, as ready websocket frames. Pure: no Django.

What a push costs is the call that writes to a socket; a window of frames costs the same call once. The frames of a
window differ between subscribers in nothing but the operation's id: they are made once per shape, with holes.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from apps.gateway.realtime.accounts import Handed, handed
from apps.gateway.realtime.wire import Change, Cursor

WINDOW_S = 0.012  # a change waits at most so long for others, and not at all after an idle window
REST_S = 0.001  # after a window that took longer to hand on than it lasts
MAX_WAITING = 256  # changes; then a window is over early

_HEAD, _MIDDLE, _TAIL = b'{"id":', b',"type":"next","payload":', b"}"
_OPCODE = 0x81  # a final text frame


def frame_header(size: int) -> bytes:
    """Return the header of an unmasked, final text frame with so many bytes of payload (RFC 6455 section 5.2)."""
    if size < 126:
        return bytes((_OPCODE, size))
    if size < 1 << 16:
        return bytes((_OPCODE, 126)) + size.to_bytes(2, "big")
    return bytes((_OPCODE, 127)) + size.to_bytes(8, "big")


class Buffer:
    """How many bytes wait in outboxes in this process, what many wait for counted once, and how many may.

    The bound holds for what clients have waiting besides the first window of each: one window is always taken.
    """

    __slots__ = ("bound_bytes", "changed", "used_bytes")

    def __init__(self, bound_bytes: int = 64 * 2**20) -> None:
        self.bound_bytes, self.used_bytes = bound_bytes, 0
        self.changed: Callable[[int], object] = lambda used_bytes: None

    @property
    def is_full(self) -> bool:
        """True when no more should wait."""
        return self.used_bytes >= self.bound_bytes

    def add(self, size_bytes: int) -> None:
        """So much more waits (less, where negative)."""
        self.used_bytes += size_bytes
        self.changed(self.used_bytes)


BUFFER = Buffer()
"""This process's."""

_OVERHEAD_BYTES = 600  # of a change that waits, besides its text: the objects


class Batch:
    """Some changes in order, with the results that a shape's members are told of them."""

    __slots__ = ("_buffer", "_handed", "_parts", "_waiting", "first", "last", "told")

    def __init__(self, told: Sequence[tuple[Change, str]]) -> None:
        """`told` has at least one change."""
        self.told = told
        self.first: Cursor = told[0][0].cursor
        self.last: Cursor = told[-1][0].cursor
        self._parts: dict[int, list[bytes]] = {}
        self._handed: tuple[Handed, ...] | None = None
        self._waiting = 0
        self._buffer = BUFFER

    def wait(self) -> None:
        """It waits in one outbox more. The documents that it was made of are not needed for that."""
        if not self._waiting:
            self.told = [(replace(change, document=None), text) for change, text in self.told]
            self._buffer.add(self._weight())
        self._waiting += 1

    def leave(self) -> None:
        """It waits in one outbox less."""
        self._waiting -= 1
        if not self._waiting:
            self._buffer.add(-self._weight())

    def _weight(self) -> int:
        """About how many bytes of memory it takes."""
        return sum(len(text) + _OVERHEAD_BYTES for _, text in self.told)

    def forget_frames(self) -> None:
        """All who read were sent theirs. For those who come to it later frames are made anew."""
        self._parts.clear()

    def __len__(self) -> int:
        return len(self.told)

    def __iter__(self) -> Iterator[tuple[Change, str]]:
        return iter(self.told)

    def handed(self) -> tuple[Handed, ...]:
        """Return what accounts note of its messages: worked out when the first asks, for all."""
        if self._handed is None:
            self._handed = tuple(handed(text) for _, text in self.told)
        return self._handed

    def frames(self, id_: bytes) -> bytes:
        """Return the websocket frames for the operation with this id (given as JSON)."""
        return id_.join(self._between(len(id_)))

    def size(self, id_: bytes) -> int:
        """Return how many bytes `frames` gives."""
        return sum(map(len, self._between(len(id_)))) + len(id_) * len(self.told)

    def _between(self, id_size: int) -> list[bytes]:
        """Return the bytes around the ids: an id stands between each two."""
        parts = self._parts.get(id_size)
        if parts is None:
            rest = len(_HEAD) + id_size + len(_MIDDLE) + len(_TAIL)
            parts, before = [], b""
            for _, text in self.told:
                payload = text.encode()
                parts.append(b"".join((before, frame_header(rest + len(payload)), _HEAD)))
                before = b"".join((_MIDDLE, payload, _TAIL))
            parts.append(before)
            self._parts[id_size] = parts
        return parts


class Ready:
    """A batch that waits in an outbox. Many wait in many outboxes, its bytes are there once."""

    __slots__ = ("_size", "batch", "id")

    def __init__(self, batch: Batch, id_: bytes) -> None:
        self.batch, self.id = batch, id_
        self._size = batch.size(id_)
        batch.wait()

    def __del__(self) -> None:
        """However it came to its end, sent or not."""
        self.batch.leave()

    def __len__(self) -> int:
        """How many bytes it will be."""
        return self._size

    def frames(self) -> bytes:
        """Return the websocket frames."""
        return self.batch.frames(self.id)

    def texts(self) -> Iterator[str]:
        """Yield the messages, for a server that takes no frames."""
        id_ = self.id.decode()
        for _, payload in self.batch:
            yield f'{{"id":{id_},"type":"next","payload":{payload}}}'


class Flushes(Protocol):
    """What waits for the end of a window."""

    def flush(self) -> None:
        """Hand on what waits. Must not raise."""


class Flusher:
    """One window for all shapes of an event loop: at once after an idle one, else WINDOW_S after the last began to be
    handed on. Where that takes longer, the next follows nearly at once: windows grow as the load does, and whatever else
    is ready on the loop has its turn between two of them."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self.window_s = window_s
        self._marked: dict[Flushes, None] = {}
        self._timer: asyncio.Handle | None = None
        self._not_before = 0.0
        self._resting: list[Callable[[], None]] = []

    def rest(self, go_on: Callable[[], None]) -> None:
        """Call back when the window is over that begins now: what comes before is not sent earlier anyway."""
        self._resting.append(go_on)
        if self._timer is None:
            asyncio.get_running_loop().call_later(self.window_s, self._go_on)

    def _go_on(self) -> None:
        resting, self._resting = self._resting, []
        for go_on in resting:
            go_on()

    def mark(self, shape: Flushes) -> None:
        """Have a shape flushed at the end of the window."""
        self._marked[shape] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            wait_s = self._not_before - time.monotonic()
            self._timer = loop.call_later(wait_s, self._run) if wait_s > 0 else loop.call_soon(self._run)

    def _run(self) -> None:
        self._timer = None
        marked, self._marked = self._marked, {}
        began = time.monotonic()
        for shape in marked:
            shape.flush()
        ended = time.monotonic()
        rest_s = max(REST_S, self.window_s - (ended - began))
        self._not_before = ended + rest_s
        if self._resting:
            asyncio.get_running_loop().call_later(rest_s, self._go_on)
