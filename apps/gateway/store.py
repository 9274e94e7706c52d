"""Redis as the gateway uses it from the event loop: one client per loop, with short time-outs."""

import asyncio
from weakref import WeakKeyDictionary

import redis.asyncio as redis_async
from django.conf import settings
from redis.exceptions import RedisError

from apps.core.telemetry import get_logger

log = get_logger(__name__)
_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, redis_async.Redis]" = WeakKeyDictionary()

APQ_SECONDS = 7 * 24 * 3600
APQ_MAX_BYTES = 64_000


def client() -> redis_async.Redis:
    """Return this event loop's client."""
    loop = asyncio.get_running_loop()
    found = _clients.get(loop)
    if found is None:
        found = redis_async.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1.0, socket_timeout=2.0)
        _clients[loop] = found
    return found


def _document_key(tenant: str, sha256: str) -> str:
    return f"ig:t:{tenant}:apq:{sha256}"


async def load_document(tenant: str, sha256: str) -> str | None:
    """Return the document that a caller of this tenant registered under its hash, or None (also without Redis)."""
    try:
        text = await client().get(_document_key(tenant, sha256))
    except (RedisError, OSError) as error:
        log.warning("persisted document not read", error=type(error).__name__)
        return None
    return text.decode() if isinstance(text, bytes) else text


async def save_document(tenant: str, sha256: str, text: str) -> None:
    """Keep a document under its hash for this tenant. Without Redis nothing is kept: clients send the text again."""
    encoded = text.encode()
    if len(encoded) > APQ_MAX_BYTES:
        return
    try:
        await client().set(_document_key(tenant, sha256), encoded, ex=APQ_SECONDS)
    except (RedisError, OSError) as error:
        log.warning("persisted document not kept", error=type(error).__name__)
