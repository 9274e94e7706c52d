"""The process's one subscription connection to Redis: topics come and go, a lost connection is made again."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from apps.core.telemetry import get_logger
from apps.gateway import store
from apps.gateway.realtime.feed import Feed
from apps.gateway.realtime.wire import topic

log = get_logger(__name__)

QUIET_S = 20.0  # with no message for so long, ask Redis whether it is still there
LONGEST_PAUSE_S = 2.0


class Topics:
    """Hands each topic's messages to its feed."""

    def __init__(self) -> None:
        self._feeds: dict[bytes, Feed] = {}
        self._reader: asyncio.Task[None] | None = None
        self._pubsub: PubSub | None = None
        self._errands: set[asyncio.Task[None]] = set()

    def add(self, feed: Feed) -> None:
        """Begin to listen for a feed; `feed.subscribed` is set once Redis has confirmed."""
        name = topic(feed.tenant_id).encode()
        self._feeds[name] = feed
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        else:
            self._run(self._tell("subscribe", name))

    def drop(self, feed: Feed) -> None:
        """Stop to listen for a feed; with the last one the connection goes."""
        name = topic(feed.tenant_id).encode()
        if self._feeds.get(name) is feed:
            del self._feeds[name]
            self._run(self._tell("unsubscribe", name))
        if not self._feeds and self._reader is not None:
            self._reader.cancel()
            self._reader = self._pubsub = None

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _tell(self, verb: str, name: bytes) -> None:
        """Send a command on the connection. When it is away nothing is sent: connecting again subscribes to all."""
        pubsub = self._pubsub
        if pubsub is not None:
            with suppress(RedisError, OSError):
                await getattr(pubsub, verb)(name)

    async def _read(self) -> None:
        pause_s = 0.05
        while True:
            try:
                async with store.client().pubsub() as pubsub:
                    await pubsub.subscribe(*self._feeds)
                    self._pubsub = pubsub
                    for name in set(self._feeds) - set(pubsub.channels):
                        await pubsub.subscribe(name)  # came while connecting
                    for feed in self._feeds.values():
                        feed.reconnected()
                    pause_s = 0.05
                    while True:
                        self._take(await pubsub.get_message(timeout=QUIET_S), pubsub)
            except (RedisError, OSError) as error:
                self._pubsub = None
                log.warning("topics lost; reading from PostgreSQL until they are back", error=type(error).__name__)
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _take(self, message: dict[str, object] | None, pubsub: PubSub) -> None:
        if message is None:
            self._run(self._ping(pubsub))
            return
        feed = self._feeds.get(message["channel"]) if isinstance(message.get("channel"), bytes) else None  # type: ignore[call-overload]
        if feed is None:
            return
        if message["type"] == "subscribe":
            feed.subscribed.set()
        elif message["type"] == "message" and isinstance(message["data"], bytes):
            feed.incoming(message["data"])

    @staticmethod
    async def _ping(pubsub: PubSub) -> None:
        with suppress(RedisError, OSError):
            await pubsub.ping()
