"""Django's ASGI handler with two changes: bodies are bounded before they are stored, and uploads are not stored at all.

Django writes every body to a temporary file before anyone has looked at who sends it. Here a body may be as large as
settings allow (`DATA_UPLOAD_MAX_MEMORY_SIZE` plus a little for forms); more is refused with 413 before it is read. A
path that takes uploads (`UPLOADS`) gets a stream instead: the view finds out who calls, then reads, and what it does
not read stays in the client's hands (TCP holds it back). Memory is bounded by the server's own buffer.

The whole middleware chain runs in one thread, one hop from the event loop: Django's own asynchronous mode hops once
or twice per middleware.
"""

import asyncio
import io
import re
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any, cast

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse, HttpRequest, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from apps.core.problem import MEDIA_TYPE, encode, plain

UPLOADS = re.compile(r"^/api/v1/ingest/[^/]+$")
FORM_OVERHEAD_BYTES = 64 * 1024
READ_TIMEOUT_S = 60.0

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class BodyTooLarge(Exception):
    """The body is larger than a stored body may be."""


class UploadStream(io.RawIOBase):
    """A request's body as a file for the view's thread: each read waits for the client, nothing is kept.

    Raises RequestAborted when the client goes away, TimeoutError when it sends nothing for READ_TIMEOUT_S.
    """

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive = receive
        self._loop = loop
        self._rest = b""
        self._over = False
        self._gone = False
        self._ended = asyncio.Event()

    def readable(self) -> bool:
        """A body can be read."""
        return True

    async def _next(self, timeout_s: float) -> bytes:
        while True:
            async with asyncio.timeout(timeout_s):
                message = await self._receive()
            self._gone = message["type"] == "http.disconnect"
            self._over = self._gone or not message.get("more_body", False)
            if self._over:
                self._ended.set()
            if self._gone:
                raise RequestAborted
            if message.get("body") or self._over:
                return bytes(message.get("body", b""))

    def _fill(self, timeout_s: float = READ_TIMEOUT_S) -> None:
        self._rest = asyncio.run_coroutine_threadsafe(self._next(timeout_s), self._loop).result()

    def drain(self, limit_bytes: int, timeout_s: float) -> bool:
        """Read and drop what the client still sends, within bounds; return whether the body has ended.

        An answer that comes before the body was read may be lost to clients that only listen after sending.
        """
        until = time.monotonic() + timeout_s
        try:
            while not self._over and limit_bytes > 0:
                self._fill(max(0.01, until - time.monotonic()))
                limit_bytes -= len(self._rest)
        except (TimeoutError, RequestAborted):
            return self._over
        finally:
            self._rest = b""
        return self._over

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes (all that is left for -1), empty at the end. May return fewer."""
        if size is None or size < 0:
            parts = []
            while part := self.read(1 << 16):
                parts.append(part)
            return b"".join(parts)
        if not self._rest and not self._over:
            self._fill()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` as far as the next part goes; return how many bytes."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    async def disconnected(self) -> dict[str, Any]:
        """Wait until the client goes away, without taking a part of the body that the view has yet to read."""
        await self._ended.wait()
        return {"type": "http.disconnect"} if self._gone else await self._receive()


class Handler(ASGIHandler):
    """The application that serves everything Django serves."""

    def __init__(self) -> None:
        super(ASGIHandler, self).__init__()
        self.load_middleware(is_async=False)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async with ThreadSensitiveContext():
            if scope["method"] in {"POST", "PUT"} and UPLOADS.match(scope["path"]):
                stream = UploadStream(receive, asyncio.get_running_loop())
                await self.serve(scope, stream, stream.disconnected, send)
                return
            try:
                body = await self.stored(scope, receive)
            except RequestAborted:
                return
            except BodyTooLarge:
                await _too_large(scope, send)
                return
            await self.serve(scope, body, receive, send)

    async def stored(self, scope: MutableMapping[str, Any], receive: Receive) -> Any:
        """Return the whole body as a file, small ones in memory. Raises BodyTooLarge, RequestAborted."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + FORM_OVERHEAD_BYTES
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > limit:
                raise BodyTooLarge
        file = tempfile.SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE, mode="w+b")  # noqa: SIM115  the request closes it
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                file.close()
                raise RequestAborted
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                file.close()
                raise BodyTooLarge
            file.write(part)
            if not message.get("more_body", False):
                file.seek(0)
                return file

    async def serve(self, scope: MutableMapping[str, Any], body: Any, receive: Receive, send: Send) -> None:
        """Answer one request whose body is `body`; end early when `receive` says that the client went away."""
        set_script_prefix(get_script_prefix(scope))
        await signals.request_started.asend(sender=self.__class__, scope=scope)
        request, error = self.create_request(scope, body)
        if request is None or error is not None:
            body.close()
            refusal = error or HttpResponseBadRequest()
            await self.send_response(refusal, send)
            await sync_to_async(refusal.close)()
            return
        answering = asyncio.create_task(self._answer(request, send))
        listening = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait({answering, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                answering.cancel()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            try:
                response = await answering
            except asyncio.CancelledError:
                await signals.request_finished.asend(sender=self.__class__)
            else:
                await sync_to_async(response.close)()
            finally:
                body.close()

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        """Send an answer; files and other blocking iterators are read in a thread, part by part."""
        if isinstance(response, StreamingHttpResponse) and not response.is_async:
            response.streaming_content = _from_thread(cast(Iterator[bytes], response.streaming_content))
        await super().send_response(response, send)

    async def _answer(self, request: HttpRequest, send: Send) -> HttpResponseBase:
        response: HttpResponseBase = await sync_to_async(self.get_response)(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        await self.send_response(response, send)
        return response


def _next_part(parts: Iterator[bytes]) -> bytes | None:
    return next(parts, None)


async def _from_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (part := await sync_to_async(_next_part)(parts)) is not None:
        yield part


async def _too_large(scope: MutableMapping[str, Any], send: Send) -> None:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = encode(
        plain(
            413,
            f"the body is larger than {limit} bytes",
            request_id=scope.get("ig", {}).get("request_id", ""),
            limit="body_bytes",
            bound=limit,
        )
    )
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
