"""Long answers: produced in a thread inside the tenant, sent as they come, never held as a whole.

A producer runs from its first part to its last in one thread (it may hold database cursors), at most AHEAD parts ahead
of what the client has taken. When the client goes away the producer is closed.
"""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections
from django.http import StreamingHttpResponse

from apps.core.context import Context
from apps.core.telemetry import get_logger
from apps.gateway.rest.answers import ALWAYS
from apps.gateway.threads import in_tenant

log = get_logger(__name__)

AHEAD = 8
PART_BYTES = 64 * 1024
THREADS = 4

_pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="downloads")
_END = object()


class _Gone(Exception):
    """Nobody takes the parts any more."""


def _grouped(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the parts joined to about PART_BYTES each."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= PART_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


async def _parts(ctx: Context, parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=AHEAD)
    gone = threading.Event()

    def put(item: Any) -> None:
        if gone.is_set():
            raise _Gone
        asyncio.run_coroutine_threadsafe(queue.put(item), loop).result()

    def produce() -> None:
        try:
            for part in _grouped(parts):
                put(part)
            put(_END)
        except _Gone:
            log.info("download left by its client")
        except Exception as error:
            log.error("download broke", exc_info=error)
            if not gone.is_set():
                asyncio.run_coroutine_threadsafe(queue.put(error), loop).result()
        finally:
            for connection in connections.all(initialized_only=True):
                connection.close()

    carried = contextvars.copy_context()
    done = loop.run_in_executor(_pool, lambda: carried.run(in_tenant, ctx, produce))
    try:
        while (item := await queue.get()) is not _END:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        gone.set()
        while not done.done():  # let a producer that waits for room see that nobody listens
            while not queue.empty():
                queue.get_nowait()
            await asyncio.wait({done}, timeout=0.05)


def download(
    ctx: Context, parts: Iterable[bytes], *, content_type: str, filename: str, headers: Mapping[str, str] | None = None
) -> StreamingHttpResponse:
    """Return an answer that sends `parts` as a file of that name. What can be refused must be refused before."""
    return StreamingHttpResponse(
        _parts(ctx, parts),
        content_type=content_type,
        headers={**ALWAYS, "Content-Disposition": f'attachment; filename="{filename}"', **(headers or {})},
    )
