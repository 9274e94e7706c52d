"""What begins and ends with a web process (ASGI lifespan): traces, figures, pools."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from django.db import connections

from apps.core.metrics import forget_ended_processes
from apps.core.telemetry import get_logger, start_tracing, stop_tracing
from apps.flags import services as flags
from apps.gateway import store
from apps.gateway.pools import sample_pools
from apps.gateway.realtime import load
from apps.identity import services as identity
from apps.policy import services as policy

log = get_logger(__name__)

SAMPLE_EVERY_S = 5.0
FLUSH_WITHIN_S = 5.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _sample() -> None:
    gathering = load.Gathering()
    while True:
        sample_pools()
        await gathering.tell()
        await asyncio.sleep(SAMPLE_EVERY_S)


def _leave_database() -> None:
    identity.flush_key_uses()
    policy.close_log()
    flags.end()
    for connection in connections.all():
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def settle() -> None:
    """Take what stands now out of the collector's sight: it stays until the process ends.

    A full collection over Django, the schema and the packs stopped every request for some 90 ms.
    """
    gc.collect()
    gc.freeze()


class Lifespan:
    """The application for the `lifespan` scope. `warm` is called before the first request is taken."""

    def __init__(self, warm: Iterable[Callable[[], Any]] = ()) -> None:
        self.warm = tuple(warm)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            start_tracing("web")
            forgotten = forget_ended_processes()
            for warm in self.warm:
                await asyncio.to_thread(warm)
            settle()
        except Exception as error:
            log.error("the web process cannot start", exc_info=error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        sampling = asyncio.create_task(_sample())
        log.info("web process ready", metrics_files_removed=forgotten)
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)
        await load.leave()
        await store.client().aclose()
        await asyncio.to_thread(_leave_database)
        try:
            async with asyncio.timeout(FLUSH_WITHIN_S):
                await asyncio.to_thread(stop_tracing)
        except TimeoutError:
            log.warning("spans were not all sent before the end")
        log.info("web process ends")
        await send({"type": "lifespan.shutdown.complete"})
