"""What PostgreSQL, Redis and Neo4j have in common as embedded servers."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from intelgraph.embedded import process
from intelgraph.embedded.errors import ServiceFailed
from intelgraph.embedded.layout import Layout
from intelgraph.embedded.locks import FileLock

LOG_LIMIT_BYTES = 8 * 1024 * 1024
POLL_S = 0.02


class EmbeddedServer(ABC):
    """One server process under `var/`.

    `start()` is `prepare`, `spawn`, `wait_ready`, `configure`; a supervisor calls them one by one, since `spawn` must
    happen in a thread that lives as long as the server. All of them may be repeated after the server has died.
    """

    name: str
    steps: Iterable[process.Step] = process.GENTLE
    end_signal = signal.SIGTERM  # what the kernel sends when the supervisor dies
    ready_within_s: float = 60.0

    def __init__(self, var: Path) -> None:
        self.layout = Layout.at(var)
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = FileLock(self.folder / "in-use.lock")
        self._log_starts_at = 0
        self._stopping = False

    @property
    @abstractmethod
    def folder(self) -> Path:
        """The server's own folder."""

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.layout.logs / f"{self.name}.log"

    @abstractmethod
    def prepare(self) -> None:
        """Put the folder in order: create what is missing, end what an earlier copy left, write the configuration."""

    @abstractmethod
    def spawn(self) -> None:
        """Start the process."""

    @abstractmethod
    def healthy(self) -> bool:
        """Return whether the server answers a request now."""

    @abstractmethod
    def configure(self) -> None:
        """Bring the running server's contents into the state that the product needs."""

    def start(self) -> None:
        """Start the server and return when it answers.

        Raises AlreadyRunning when another copy uses the folder, ServiceFailed with the log's end when it does not come up.
        """
        try:
            self.prepare()
            self.spawn()
            self.wait_ready()
            self.configure()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, gently at first; harmless when it does not run."""
        self._stopping = True
        if self.process is not None:
            process.end(self.process, self.steps)
            self.process = None
        self._lock.release()
        self.layout.remove_temporary_sockets()

    @property
    def running(self) -> bool:
        """Whether the process exists; it may not answer yet."""
        return self.process is not None and self.process.poll() is None

    def wait_ready(self) -> None:
        """Return when the server answers.

        Raises ServiceFailed with the log's end when it ends first or takes too long.
        """
        give_up = time.monotonic() + self.ready_within_s
        while time.monotonic() < give_up:
            if not self.running:
                raise ServiceFailed(f"{self.name} ended while it was starting: {self.log_end()} (log: {self.log})")
            if self.healthy():
                return
            time.sleep(POLL_S)
        raise ServiceFailed(
            f"{self.name} did not answer within {self.ready_within_s:.0f} s: {self.log_end()} (log: {self.log})"
        )

    def log_end(self, lines: int = 3) -> str:
        """Return the last lines that the present process wrote to the log, joined to one."""
        try:
            with self.log.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(self._log_starts_at, file.tell() - 4096))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return "no log"
        return " | ".join(line.strip() for line in text.splitlines()[-lines:]) or "the log is empty"

    def _take_folder(self) -> None:
        self._stopping = False
        self.layout.create()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._lock.acquire(what=f"{self.name} in {self.folder}", wait_s=2.0)

    def _spawn(
        self, command: list[str | os.PathLike[str]], *, cwd: Path, identity: process.Identity = process.PRESENT_USER
    ) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._log_starts_at = os.fstat(handle).st_size
        try:
            self.process = process.spawn(command, cwd=cwd, output=handle, identity=identity, end_signal=self.end_signal)
        finally:
            os.close(handle)
