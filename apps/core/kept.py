"""Values kept in this process until somebody changes them: what every request asks and hardly ever changes.

A change is told to all processes over Redis right after its commit, so it takes effect within milliseconds; a message
that is lost (Redis away, a process that was paused) delays it by at most the `seconds` that a value is kept. Where not
even that may be, ask inside `fresh()`.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import redis
from django.db import transaction

from apps.core import conf
from apps.core.metrics import KEPT
from apps.core.routers import write_alias
from apps.core.telemetry import get_logger

K = TypeVar("K")
V = TypeVar("V")

CHANNEL = "ig:kept"
RETRY_S = 1.0
PATIENCE = 3  # tries before it is worth a warning
log = get_logger(__name__)
_all: "dict[str, Kept[Any, Any]]" = {}
_fresh: ContextVar[bool] = ContextVar("ig_fresh", default=False)
_local = threading.local()
_listening = {"pid": 0}
_lock = threading.Lock()


class Kept(Generic[K, V]):
    """Values by key, each kept for at most `seconds`, the `most` that were read last. None is never kept.

    `name` is the same in all processes; keys are told apart by their text.
    """

    def __init__(self, name: str, *, seconds: float = 1.0, most: int = 20_000) -> None:
        if name in _all:
            raise ValueError(f"{name} is kept already")
        self.name, self.seconds, self.most = name, seconds, most
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()
        self._changes = 0
        self._lock = threading.Lock()
        _all[name] = self

    def get(self, key: K, read: Callable[[], V | None]) -> V | None:
        """Return the value of `key`: kept, or read now. What `read` raises passes through."""
        text = str(key)
        if not _fresh.get():
            found = self._values.get(text)
            if found is not None and time.monotonic() < found[0]:
                return found[1]
        _listen()
        before = self._changes
        value = read()
        KEPT.labels(self.name).inc()
        with self._lock:
            # What was read before a change became known may be of before it: then it is used once, not kept.
            if value is not None and before == self._changes:
                self._values[text] = (time.monotonic() + self.seconds, value)
                self._values.move_to_end(text)
                while len(self._values) > self.most:
                    self._values.popitem(last=False)
        return value

    def changed(self, key: K) -> None:
        """Say, inside the transaction of the change, that `key` has another value once it commits."""
        transaction.on_commit(lambda: self._tell(str(key)), using=write_alias(), robust=True)

    def drop(self, text: str) -> None:
        """Drop a key in this process; all of them for an empty text."""
        with self._lock:
            self._changes += 1
            if text:
                self._values.pop(text, None)
            else:
                self._values.clear()

    def _tell(self, text: str) -> None:
        self.drop(text)
        try:
            _client().publish(CHANNEL, f"{self.name}\n{text}")
        except (redis.RedisError, OSError) as error:
            log.warning("a change is not told to other processes", kept=self.name, error=type(error).__name__)


@contextmanager
def fresh() -> Iterator[None]:
    """Inside, values are read anew (and kept again)."""
    token = _fresh.set(True)
    try:
        yield
    finally:
        _fresh.reset(token)


def drop_everything() -> None:
    """Drop all values of this process."""
    for kept in _all.values():
        kept.drop("")


def _client() -> redis.Redis:
    client: redis.Redis | None = getattr(_local, "client", None)
    if client is None:
        client = redis.Redis.from_url(
            conf.get()["REDIS_URL"] or "redis://127.0.0.1:6379/0", socket_timeout=0.5, socket_connect_timeout=0.5
        )
        _local.client = client
    return client


def _listen() -> None:
    """Follow changes, once in each process (a forked one has threads of its own to start)."""
    if _listening["pid"] == os.getpid():
        return
    with _lock:
        if _listening["pid"] == os.getpid():
            return
        _listening["pid"] = os.getpid()
        drop_everything()
    threading.Thread(target=_follow, name="kept", daemon=True).start()


def _follow() -> None:
    tries = 0
    while True:
        try:
            client = redis.Redis.from_url(
                conf.get()["REDIS_URL"] or "redis://127.0.0.1:6379/0",
                socket_connect_timeout=2,
                health_check_interval=10,
            )
            with client.pubsub(ignore_subscribe_messages=True) as channel:
                channel.subscribe(CHANNEL)
                drop_everything()  # changes may have been missed meanwhile
                tries = 0
                for message in channel.listen():
                    _take(message["data"])
        except (redis.RedisError, OSError) as error:
            tries += 1
            if tries == PATIENCE:
                log.warning("changes are not followed", error=type(error).__name__)
            time.sleep(RETRY_S)


def _take(data: Any) -> None:
    name, _, text = (data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)).partition("\n")
    kept = _all.get(name)
    if kept is not None:
        kept.drop(text)
