"""File locks that the kernel lets go when their holder dies, so that none is ever stale."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from intelgraph.embedded.errors import AlreadyRunning


class FileLock:
    """An exclusive `flock` on a file; the file holds the process id of its last holder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self, *, what: str, wait_s: float = 0.0) -> None:
        """Take the lock within `wait_s` seconds; at once when this object holds it already.

        Raises AlreadyRunning, naming `what` and the holder's process id, when it is held by another.
        """
        if self._handle is not None:
            return
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                    os.close(handle)
                    raise AlreadyRunning(
                        f"{what} is in use by process {holder}; stop that one, or set VAR to another folder"
                    ) from None
                time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._handle = handle

    def release(self) -> None:
        """Let the lock go; harmless when it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock on `path` for a short piece of work, waiting for whoever has it."""
    lock = FileLock(path)
    lock.acquire(what=str(path), wait_s=600)
    try:
        yield
    finally:
        lock.release()
