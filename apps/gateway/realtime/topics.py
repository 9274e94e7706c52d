"""The process's one subscription connection to Redis: topics come and go, a lost connection is made again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from apps.core.telemetry import get_logger
from apps.gateway import measures, store
from apps.gateway.realtime.feed import Feed
from apps.gateway.realtime.wire import topic
from apps.gateway.waiting import Gate

log = get_logger(__name__)

QUIET_S = 20.0  # with no message for so long, ask Redis whether it is still there; twice as long: it is not
MUCH_BYTES = 64 * 1024  # of one reading: more waits, perhaps
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0


class Line(asyncio.Protocol):
    """A connection that only listens. redis-py makes it (address, TLS, credentials); then its messages are read here
    as they come, without a task, a time-out and a future for each."""

    def __init__(
        self,
        connection: AbstractConnection,
        told: Callable[[list[Any]], None],
        rest: Callable[[Callable[[], None]], object],
    ) -> None:
        """`connection` is connected and has nothing to answer. `told` is called with each message, `rest` with what is to
        be called when reading may go on."""
        self.ended = Gate()
        self.error: str = "closed"
        self._told, self._rest, self._reader = told, rest, hiredis.Reader()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._transport: asyncio.Transport = connection._writer.transport  # type: ignore[union-attr, assignment]
        self._transport.set_protocol(self)

    def send(self, *words: str | bytes) -> None:
        """Send a command."""
        if not self._transport.is_closing():
            self._transport.write(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub says one word

    def data_received(self, data: bytes) -> None:
        """Hand on each message that is whole; then read nothing for a window, in which nothing would be sent anyway.

        So messages are read some at a time, where they come faster than windows end.
        """
        self._heard_at = self._loop.time()
        if len(data) < MUCH_BYTES:
            self._transport.pause_reading()
        self._reader.feed(data)
        try:
            while (message := self._reader.gets()) is not False:
                if isinstance(message, hiredis.ReplyError):
                    raise message
                if isinstance(message, list):
                    self._told(message)
        except (hiredis.ProtocolError, hiredis.ReplyError) as error:
            self.error = str(error)
            self._transport.abort()
        finally:
            if len(data) < MUCH_BYTES:
                self._rest(self._go_on)

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.error = str(exc) if exc else self.error
        self.ended.set()

    async def listen(self) -> None:
        """Return when the connection has ended. Raises ConnectionError when Redis does not answer any more."""
        while not self.ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await self.ended.wait()
            quiet_s = self._loop.time() - self._heard_at
            if quiet_s >= 2 * QUIET_S:
                raise ConnectionError("no answer")
            if quiet_s >= QUIET_S:
                self.send("PING")


class Topics:
    """Hands each topic's messages to its feed."""

    def __init__(self) -> None:
        self._feeds: dict[bytes, Feed] = {}
        self._reader: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._pause_s = FIRST_PAUSE_S

    def add(self, feed: Feed) -> None:
        """Begin to listen for a feed, which is told once Redis has confirmed."""
        name = topic(feed.tenant_id).encode()
        self._feeds[name] = feed
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        else:
            self._tell("SUBSCRIBE", name)

    def drop(self, feed: Feed) -> None:
        """Stop to listen for a feed; with the last one the connection goes."""
        name = topic(feed.tenant_id).encode()
        if self._feeds.get(name) is feed:
            del self._feeds[name]
            self._tell("UNSUBSCRIBE", name)
        if not self._feeds and self._reader is not None:
            self._reader.cancel()
            self._reader = self._line = None

    def _tell(self, verb: str, name: bytes) -> None:
        """Send a command on the connection. When it is away nothing is sent: connecting again subscribes to all."""
        if self._line is not None:
            self._line.send(verb, name)

    async def _read(self) -> None:
        while True:
            try:
                error = await self._follow()
            except (RedisError, OSError) as raised:
                error = type(raised).__name__
            measures.RETRIES.labels("topics").inc()
            log.warning("topics lost; reading from PostgreSQL until they are back", error=error)
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    async def _follow(self) -> str:
        """Connect, subscribe to all topics, hand on what comes; return why it ended."""
        connection = store.client().connection_pool.make_connection()
        line = None
        try:
            await connection.connect()
            line = self._line = Line(connection, self._take, self._rest)
            line.send("SUBSCRIBE", *self._feeds)
            await line.listen()
            return line.error
        finally:
            if self._line is line:
                self._line = None
            await connection.disconnect(nowait=True)

    def _rest(self, go_on: Callable[[], None]) -> None:
        for feed in self._feeds.values():
            feed.flusher.rest(go_on)  # all have the same
            return
        go_on()

    def _take(self, message: list[Any]) -> None:
        feed = self._feeds.get(message[1]) if len(message) == 3 and isinstance(message[1], bytes) else None
        if feed is None:
            return
        if message[0] == b"message":
            feed.incoming(message[2])
        elif message[0] == b"subscribe":
            self._pause_s = FIRST_PAUSE_S
            feed.listening()
