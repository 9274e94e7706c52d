"""One terminal for many processes: each line says whose it is."""

import sys
import threading
from typing import IO

NAME_WIDTH = 10
LINE_LIMIT_BYTES = 65_536
COLOURS = {"web": 36, "worker": 33, "relay": 35, "scheduler": 34, "migrate": 32, "demo": 32, "up": 1}


class Console:
    """Writes whole lines to standard output, one at a time; falls silent when nobody reads them any more."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self.watched = self._stream.isatty()  # by a person, not by a file
        self._lock = threading.Lock()
        self._silent = False

    def line(self, name: str, text: str) -> None:
        """Write one line of process `name`."""
        label = f"{name:<{NAME_WIDTH}}|"
        if self.watched:
            label = f"\x1b[{COLOURS.get(name, 37)}m{label}\x1b[0m"
        self.raw(f"{label} {text}")

    def say(self, text: str) -> None:
        """Write a line of the supervisor's own."""
        self.line("up", text)

    def raw(self, text: str) -> None:
        """Write a line without a name."""
        with self._lock:
            if self._silent:
                return
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # the reader is gone: the product runs on
                self._silent = True

    def follow(self, name: str, source: IO[bytes]) -> threading.Thread:
        """Write what `source` gives, line by line, until it ends; returns the thread that does."""

        def copy() -> None:
            with source:
                while part := source.readline(LINE_LIMIT_BYTES):
                    text = part.decode(errors="replace").rstrip()
                    if text:
                        self.line(name, text)

        thread = threading.Thread(target=copy, name=f"log of {name}", daemon=True)
        thread.start()
        return thread
