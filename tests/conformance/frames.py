"""A websocket client that can send frames which no well-behaved client would (RFC 6455)."""

import base64
import hashlib
import secrets
import socket
import struct
from typing import Self
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
WAIT_S = 10.0


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, reserved: int = 0) -> bytes:
    """Return a frame as it travels (section 5.2)."""
    size, flag = len(payload), 0x80 if mask else 0
    head = bytes([(fin << 7) | (reserved << 4) | opcode])
    if size < 126:
        head += bytes([flag | size])
    elif size < 1 << 16:
        head += bytes([flag | 126]) + struct.pack("!H", size)
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    key = secrets.token_bytes(4)
    stream = int.from_bytes(payload, "big") ^ int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return head + key + stream.to_bytes(size, "big")


class Wire:
    """A connection, after its handshake; `status` and `headers` are the server's answer to it."""

    def __init__(self, url: str, **change: str | None) -> None:
        """Open `url`; `change` replaces headers of the handshake, or leaves them out (None)."""
        parts = urlsplit(url)
        self.key = base64.b64encode(secrets.token_bytes(16)).decode()
        headers: dict[str, str | None] = {
            "Host": parts.netloc,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": self.key,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "graphql-transport-ws",
        }
        headers |= {name.replace("_", "-"): value for name, value in change.items()}
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=WAIT_S)
        lines = [f"GET {parts.path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items() if v is not None), "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer and (data := self.socket.recv(65_536)):
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        answer = head.decode().split("\r\n")
        self.status = int(answer[0].split()[1])
        self.headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in answer[1:])}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *how: object) -> None:
        self.socket.close()

    @property
    def accept(self) -> str:
        """What the server must answer to our key (section 4.2.2)."""
        return base64.b64encode(hashlib.sha1(self.key.encode() + MAGIC, usedforsecurity=False).digest()).decode()

    def send(
        self, opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, reserved: int = 0
    ) -> None:
        """Send a frame."""
        self.socket.sendall(frame(opcode, payload, fin=fin, mask=mask, reserved=reserved))

    def _exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self.buffer += data
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def receive(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload. Raises EOFError at the end, AssertionError for a masked one."""
        first, second = self._exactly(2)
        assert not second & 0x80, "the server masked a frame"
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._exactly(8))[0]
        return first & 15, self._exactly(size)

    def until(self, opcode: int) -> bytes:
        """Return the payload of the next frame with this opcode. Raises AssertionError when the connection is closed."""
        while True:
            kind, payload = self.receive()
            if kind == opcode:
                return payload
            assert kind != CLOSE, f"closed with {code_of(payload)}"

    def ends(self) -> int:
        """Return the code that the server closes with; 1006 when it drops the connection (allowed by section 7.1.7)."""
        try:
            while True:
                kind, payload = self.receive()
                if kind == CLOSE:
                    return code_of(payload)
        except (EOFError, ConnectionError):
            return 1006


def code_of(payload: bytes) -> int:
    """Return the code in a close frame's payload; 1005 when it has none."""
    return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005
