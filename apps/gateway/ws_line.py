"""What goes out on one connection: at once where the client reads, in order where it does not, and then a close."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

from apps.core.telemetry import get_logger
from apps.gateway import measures
from apps.gateway.realtime.batches import Batch, Ready, frame_header
from apps.gateway.waiting import Alarm, clock
from apps.gateway.ws_arrears import SLOW_S, Arrears
from apps.gateway.ws_book import Book
from apps.gateway.ws_ending import Ending
from apps.gateway.ws_outbox import Outbox, Overflow
from apps.gateway.ws_protocol import CloseCode, Effect, Machine, SocketLimits, Stop
from apps.gateway.ws_server import Frames

log = get_logger(__name__)

CLOSE_S = 5.0  # how long a client that does not read may hold up its own close

SendMessage = Callable[[dict[str, Any]], Awaitable[None]]


class Line(ABC):
    """The sending side of a connection. Everything runs on the event loop."""

    __slots__ = (
        *("_in_hand", "_last_moment", "_reader", "_send", "_writer"),
        *("arrears", "book", "ending", "frames", "machine", "outbox"),
    )

    def __init__(self, limits: SocketLimits, frames: Frames | None) -> None:
        self.machine = Machine(limits)
        self.outbox = Outbox(woken=self._flow)
        self.arrears: Arrears | None = None
        self.book: Book | None = None
        self.frames = frames
        self.ending: Ending | None = None
        self._send: SendMessage | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._last_moment: Alarm | None = None
        self._in_hand: Ready | None = None  # what waits for the client to read, taken from the outbox

    @abstractmethod
    def perform(self, effects: list[Effect]) -> None:
        """Do what the machine says."""

    @property
    def unsent(self) -> int:
        """How many messages wait to be sent."""
        return len(self.outbox)

    def push(self, batch: Batch, id_: bytes) -> bool:
        """Send a window's updates of an operation: at once where nothing waits and the client reads, else in order.

        Returns False when they were left out: the client has not read for too long, and will be told so, or its access
        has ended.
        """
        frames = self.frames
        if self.ending is not None and self.ended():
            return False
        if self.arrears is not None and id_ in self.arrears.gaps:
            self.arrears.leave_out(id_, batch)
            return False
        if frames is not None and self.outbox.idle and not frames.paused:
            if self.book is not None and not frames.is_gone:
                self.book.handed(id_, batch)
            frames.write(batch.frames(id_))
            return True
        try:
            self.outbox.put(Ready(batch, id_))
        except Overflow:
            self._leave_out(id_, batch)
            return False
        return True

    def send(self, text: str) -> None:
        """Send a message of the protocol, at once where nothing waits; a client that has not read for too long is cut off."""
        if self.ending is not None and self.ended():
            return
        if self.frames is not None and self.outbox.idle and not self.frames.paused:
            self._write_text(self.frames, text)
            return
        try:
            self.outbox.put(text)
        except Overflow:
            self._too_slow()

    def ended(self) -> bool:
        """Return whether access has ended by time; then the connection is ended too, and what waits is not sent."""
        if self.ending is None or not self.ending.has_come():
            return False
        self.cut(int(self.ending.code), "Access has ended")
        return True

    def _write_text(self, frames: Frames, text: str) -> None:
        if self.book is not None and not frames.is_gone:
            self.book.said(text)
        payload = text.encode()
        frames.write(frame_header(len(payload)) + payload)

    def pending(self, id_: bytes) -> tuple[int, int]:
        """Return how many updates of an operation wait, and how many were left out and the client is not told yet."""
        waiting, in_hand = self.outbox.updates(id_), self._in_hand
        if in_hand is not None and in_hand.id == id_:
            waiting += len(in_hand.batch)
        gap = self.arrears.gaps.get(id_) if self.arrears is not None else None
        return waiting, 0 if gap is None else gap.missed + 1

    def _flow(self) -> None:
        """Something waits to be sent: have it sent, by a task that lasts only as long as something waits."""
        if self._send is None:
            return
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(self._send))
        if self.outbox.code is not None and self._last_moment is None:
            measures.SOCKET_CLOSES.labels(str(self.outbox.code)).inc()
            self._last_moment = clock().later(CLOSE_S, self._end)

    async def _write(self, send: SendMessage) -> None:
        try:
            while (item := self.outbox.take()) is not None:
                if isinstance(item, tuple):
                    code, reason = item
                    await send({"type": "websocket.close", "code": code, "reason": reason})
                    self._end()
                    return
                if self.ended():
                    continue
                if self.arrears is not None and self.outbox.has_room:
                    self._settle(self.arrears)
                if isinstance(item, str):
                    await send({"type": "websocket.send", "text": item})
                    if self.book is not None and (self.frames is None or not self.frames.is_gone):
                        self.book.said(item)
                elif self.frames is not None:
                    self._in_hand = item
                    await self.frames.drained()
                    if self._in_hand is item and not self.ended():  # nobody has taken it back meanwhile
                        if self.book is not None and not self.frames.is_gone:
                            self.book.handed(item.id, item.batch)
                        self.frames.write(item.frames())
                    self._in_hand = None
                else:
                    for text in item.texts():
                        if not self.ended():
                            await send({"type": "websocket.send", "text": text})
                            if self.book is not None:
                                self.book.said(text)
        except Exception as error:  # noqa: BLE001  whatever a server raises when its client is gone
            log.debug("a client went away while it was sent to", error=type(error).__name__)
            self._end()
        else:
            self._writer = None

    async def part(self, send: SendMessage) -> None:
        """Leave the close, and messages that were to be said before it, with the server: the client may read them yet."""
        with suppress(Exception):  # it was said before, or nobody is there
            async with asyncio.timeout(CLOSE_S):
                while (item := self.outbox.take()) is not None:
                    if isinstance(item, tuple):
                        code, reason = item
                        await send({"type": "websocket.close", "code": code, "reason": reason})
                        return
                    if isinstance(item, str) and self.frames is not None and not self.ended():
                        self._write_text(self.frames, item)

    def forget(self) -> None:
        """Nothing is sent any more. An ended writer holds what it was sending, in a ring with this: it would count as
        waiting until rings are collected, which an idle process may not do for hours."""
        self._writer = self._in_hand = None
        self.outbox.abandon()

    def _end(self) -> None:
        """Stop to read: the close was sent, could not be sent in time, or nobody is there."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()

    def cut(self, code: int, reason: str) -> None:
        """End the connection now; what waits to be sent is not sent any more."""
        self._in_hand = None
        self.outbox.close(code, reason, at_once=True)
        self.perform([e for e in self.machine.shut(CloseCode.FORBIDDEN, reason) if isinstance(e, Stop)])

    def _leave_out(self, id_: bytes, batch: Batch) -> None:
        """Leave updates out for which there is no room, and give the client a while to catch up."""
        if self.arrears is None:
            self.arrears = Arrears()
        if not self.arrears.leave_out(id_, batch):
            return
        if self.arrears.too_often:
            self._too_slow()
        else:
            clock().later(SLOW_S, partial(self._still_behind, self.arrears.episode))

    def _still_behind(self, episode: int) -> None:
        """Close the connection of a client that has not caught up in time."""
        if self.arrears is not None and self.arrears.gaps and self.arrears.episode == episode:
            self._too_slow()

    def _settle(self, arrears: Arrears) -> None:
        """The client reads again: tell it what it misses, and the newest."""
        with suppress(Overflow):  # then the rest is told when there is room again
            for text in arrears.settle():
                self.outbox.put(text)

    def _too_slow(self) -> None:
        """Say what is missing in place of all that waits, and close."""
        arrears, in_hand = self.arrears or Arrears(), self._in_hand
        self._in_hand = None
        unsent = [*([in_hand] if in_hand is not None else []), *self.outbox.abandon()]
        with suppress(Overflow):  # the close says it all the same
            for text in arrears.last_words(unsent):
                self.outbox.put(text)
        self.outbox.close(CloseCode.TRY_AGAIN_LATER, "Too slow: resume with since = the last eventId received")
        self.perform([e for e in self.machine.shut(CloseCode.TRY_AGAIN_LATER, "Too slow") if isinstance(e, Stop)])
