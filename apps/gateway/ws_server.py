"""uvicorn's websocket protocol, with a way for the application to write frames that are ready (`uvicorn --ws`).

The scope's extension `ig.frames` is there only on this server; on any other an application sends text by text.
Everything else is uvicorn's own.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "ig.frames"


class Frames:
    """Writes whole, unmasked, uncompressed frames to one connection, between the messages that it sends itself."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: WebSocketsSansIOProtocol) -> None:
        self._protocol = protocol

    @property
    def paused(self) -> bool:
        """True while the client does not read what waits for it."""
        return not self._protocol.writable.is_set()

    async def drained(self) -> None:
        """Wait until the client reads, or is gone."""
        await self._protocol.writable.wait()

    def write(self, frames: bytes) -> None:
        """Write frames; nothing once the connection ends."""
        protocol = self._protocol
        if not (protocol.disconnected or protocol.close_sent or protocol.transport.is_closing()):
            protocol.transport.write(frames)


class FrameProtocol(WebSocketsSansIOProtocol):
    """The protocol class that uvicorn is told to use."""

    async def run_asgi(self) -> None:
        """Offer the extension and run the application."""
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = Frames(self)
        await super().run_asgi()
