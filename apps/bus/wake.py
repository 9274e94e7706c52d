"""Best-effort wake-ups over Redis: they shorten waits, nothing depends on them."""

import threading
import time

import redis

from apps.core import conf
from apps.core.telemetry import get_logger
from apps.ledger.types import WARM_S

log = get_logger(__name__)
SEQUENCER_CHANNEL = "ig:wake:sequencer"
LINKS_CHANNEL = "ig:wake:links"
COALESCE_S = {SEQUENCER_CHANNEL: 0.8 * WARM_S, LINKS_CHANNEL: 0.003}
"""Wake-ups closer together than this are one. The sequencer polls every few milliseconds for longer than that."""
_local = threading.local()
_pause_until = 0.0
_published: dict[str, float] = {}


def _client() -> redis.Redis:
    client: redis.Redis | None = getattr(_local, "client", None)
    if client is None:
        client = redis.Redis.from_url(
            conf.get()["REDIS_URL"] or "redis://127.0.0.1:6379/0", socket_timeout=0.2, socket_connect_timeout=0.2
        )
        _local.client = client
    return client


def publish(channel: str) -> None:
    """Publish an empty message; after a failure keep quiet for a second, so that a stalled Redis slows nobody."""
    global _pause_until
    now = time.monotonic()
    if now < _pause_until or now - _published.get(channel, 0.0) < COALESCE_S[channel]:
        return
    _published[channel] = now
    try:
        _client().publish(channel, b"1")
    except redis.RedisError as error:
        _pause_until = time.monotonic() + 1.0
        log.warning("wake-up not sent", channel=channel, error=type(error).__name__)


def sequencer() -> None:
    """Tell the sequencer that records were committed."""
    publish(SEQUENCER_CHANNEL)


def links() -> None:
    """Tell everyone who follows the ledger that records were numbered."""
    publish(LINKS_CHANNEL)
