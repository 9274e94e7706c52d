"""uvicorn's websocket protocol, with a way for the application to write frames that are ready (`uvicorn --ws`).

The scope's extension `ig.frames` is there only on this server; on any other an application sends text by text.
Everything else is uvicorn's own, in less memory: an idle connection is the common one.
"""

import os
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from apps.gateway.waiting import Gate, Mailbox, clock

EXTENSION = "ig.frames"
SLICE_BYTES = 16 * 1024  # of what came at once, looked at before the next: a segment may hold thousands of frames
FRAMES_PER_S, FRAMES_AT_ONCE = 200.0, 1_000.0
MOST_PIECES = 1_000  # of one message
TOO_MANY, TOO_BIG = 4429, 1009
LINGER_S = 30.0  # how long a client that did not read may still read why it was closed


class Frames:
    """Writes whole, unmasked, uncompressed frames to one connection, between the messages that it sends itself."""

    __slots__ = ("_file", "_gate", "_protocol")

    def __init__(self, protocol: "FrameProtocol") -> None:
        self._protocol = protocol
        self._gate: Gate = protocol.writable
        plain = protocol.transport.get_extra_info("sslcontext") is None
        socket = protocol.transport.get_extra_info("socket")
        self._file: int = socket.fileno() if plain and socket is not None else -1

    @property
    def paused(self) -> bool:
        """True while the client does not read what waits for it."""
        return not self._gate.is_set()

    @property
    def is_gone(self) -> bool:
        """True once nothing that is written goes anywhere any more."""
        protocol = self._protocol
        return protocol.disconnected or protocol.close_sent or protocol.transport.is_closing()

    async def drained(self) -> None:
        """Wait until the client reads, or is gone."""
        await self._protocol.writable.wait()

    def write(self, frames: bytes) -> None:
        """Write frames; nothing once the connection ends.

        Where nothing waits in the transport they go to the socket directly, which takes two thirds of the time; what it
        does not take, and every error, is the transport's.
        """
        protocol = self._protocol
        transport = protocol.transport
        if protocol.disconnected or protocol.close_sent or transport.is_closing():
            return
        if self._file >= 0 and not transport.get_write_buffer_size():
            try:
                sent = os.write(self._file, frames)
            except OSError:
                sent = 0
            if sent == len(frames):
                return
            frames = frames[sent:]
        transport.write(frames)

    def on_shutdown(self, farewell: Callable[[], None]) -> None:
        """Have `farewell` called when the process is told to end; the application then closes the connection itself."""
        self._protocol.farewell = farewell

    def forget_handshake(self) -> None:
        """Let go of the request and its headers: the application has read what it wants of them."""
        protocol = self._protocol
        protocol.request.headers.clear()  # the frame parser keeps the request itself
        protocol.response.headers.clear()
        protocol.scope["headers"] = []


class FrameProtocol(WebSocketsSansIOProtocol):
    """The protocol class that uvicorn is told to use."""

    # The parent's attributes. Here they lie in the object: in a dictionary of its own they take 2 kB.
    __slots__ = (
        *("app", "app_state", "asgi_version", "client", "close_sent", "close_timeout", "close_timer", "config"),
        *("conn", "connections", "curr_msg_data_type", "default_headers", "disconnected", "frames"),
        *("handshake_complete", "handshake_initiated", "initial_response", "last_ping_rtt", "logger", "loop"),
        *("pending_ping_payload", "ping_interval", "ping_sent_at", "ping_timeout", "ping_timer", "pong_timer", "queue"),
        *("read_paused", "request", "response", "root_path", "scheme", "scope", "server", "tasks", "transport"),
        *("writable", "farewell", "_frames_left", "_frames_at"),
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.queue: Any = Mailbox()
        self.writable: Any = Gate(is_open=True)
        self.farewell: Callable[[], None] | None = None
        self._frames_left, self._frames_at = FRAMES_AT_ONCE, 0.0

    def data_received(self, data: bytes) -> None:
        """Take what came in slices, so that who floods is cut off before the whole of it was read."""
        for start in range(0, len(data), SLICE_BYTES):
            if start and (self.conn.parser_exc is not None or self.transport.is_closing()):
                return
            super().data_received(data[start : start + SLICE_BYTES] if len(data) > SLICE_BYTES else data)

    def handle_ping(self) -> None:
        """Answer a ping of a client that reads; of one that does not, the newest would do (RFC 6455 section 5.5.3)."""
        pong = self.conn.data_to_send()
        if not self._too_many() and self.writable.is_set():
            self.transport.write(b"".join(pong))

    def handle_pong(self, event: Any) -> None:
        """Take a pong."""
        if not self._too_many():
            super().handle_pong(event)

    def handle_cont(self, event: Any) -> None:
        """Take a piece of a message. Pieces may be empty, so the message's size does not bound them."""
        if self._too_many():
            return
        if len(self.frames) >= MOST_PIECES:
            self._refuse(TOO_BIG, f"A message in more than {MOST_PIECES} pieces")
        else:
            super().handle_cont(event)

    def _too_many(self) -> bool:
        """Count a frame that is no message of its own (those the application counts); refuse who floods."""
        if self.close_sent:
            return True
        now = self.loop.time()
        gained = (now - self._frames_at) * FRAMES_PER_S
        self._frames_left, self._frames_at = min(FRAMES_AT_ONCE, self._frames_left + gained) - 1.0, now
        if self._frames_left < 0.0:
            self._refuse(TOO_MANY, "Too many frames")
            return True
        return False

    def _refuse(self, code: int, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Close as the parser says; a client that does not read its close is cut off after a while."""
        self.frames = []
        super().handle_parser_exception()
        if self.transport.get_write_buffer_size():
            clock().later(LINGER_S, self.transport.abort)

    def schedule_ping(self) -> None:
        """Send the next ping in time, by the clock of all connections."""
        if self.ping_interval is not None:
            self.ping_timer: Any = clock().later(
                max(0.0, self.ping_interval - self.last_ping_rtt), self.send_keepalive_ping
            )

    async def send(self, message: Any) -> None:
        """Send as uvicorn does, but let a close not wait for a client that does not read: it lies behind what the client
        has still to read, and when that is not read either, the connection is cut off."""
        if message["type"] == "websocket.close" and not self.writable.is_set():
            self.writable.set()
            clock().later(LINGER_S, self.transport.abort)
        await super().send(message)

    def shutdown(self) -> None:
        """The process ends: let the application say so to its client, in its own time, or end the connection now."""
        if self.farewell is None or not self.handshake_complete or self.close_sent:
            super().shutdown()
        else:
            self.farewell()

    async def run_asgi(self) -> None:
        """Offer the extension and run the application."""
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = Frames(self)
        await super().run_asgi()
