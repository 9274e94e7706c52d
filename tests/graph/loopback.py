"""A wire to a real server that a test can cut and mend."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit


class Forwarder:
    """Passes bytes between a port of its own and a server. `url` is the server's address by way of this wire."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 0)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._whole = threading.Event()
        self._whole.set()
        self._open: list[socket.socket] = []
        host = f"{parts.username}:{parts.password}@127.0.0.1:{self._door.getsockname()[1]}"
        self.url = urlunsplit((parts.scheme, host, parts.path, "", ""))
        threading.Thread(target=self._serve, daemon=True).start()

    @classmethod
    @contextmanager
    def to(cls, url: str) -> Iterator["Forwarder"]:
        """Yield a wire to the server at `url`."""
        wire = cls(url)
        try:
            yield wire
        finally:
            wire.cut()
            wire._door.close()

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self._whole.clear()
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole.set()

    def _serve(self) -> None:
        with suppress(OSError):  # the door closes at the end of the test
            while True:
                client, _ = self._door.accept()
                if not self._whole.is_set():
                    client.close()
                    continue
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
