"""What the supervisor keeps running: servers and the product's own processes, behind one small interface."""

import asyncio
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from intelgraph.embedded import process
from intelgraph.embedded.console import Console
from intelgraph.embedded.service import EmbeddedServer
from intelgraph.embedded.specs import PROJECT, ProcessSpec

SHORTEST_DELAY_S, LONGEST_DELAY_S = 0.5, 15.0
STEADY_AFTER_S = 20.0
HOPELESS_AFTER = 5


@dataclass(slots=True)
class Patience:
    """How long to wait before a process that has died is started again, and when to stop hoping."""

    failures: int = 0
    was_steady: bool = False

    def after(self, lived_s: float) -> float:
        """Take note of a death after `lived_s` seconds of life; return the seconds to wait."""
        if lived_s >= STEADY_AFTER_S:
            self.failures = 0
            self.was_steady = True
        self.failures += 1
        return min(SHORTEST_DELAY_S * 2.0 ** (self.failures - 1), LONGEST_DELAY_S)

    @property
    def hopeless(self) -> bool:
        """Whether it has died so often at its start that starting it again makes no sense: it has never worked."""
        return not self.was_steady and self.failures >= HOPELESS_AFTER


class Unit(ABC):
    """Something with one process that is started again when it dies."""

    name: str
    started_at: float = 0.0
    expected: bool = False  # the next end of the process is on purpose

    def __init__(self) -> None:
        self.patience = Patience()

    @property
    @abstractmethod
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The present process."""

    @abstractmethod
    async def start(self) -> None:
        """Start the process; must run in the main thread, whose life the process is bound to. Returns when it is of use."""

    @abstractmethod
    def end(self) -> None:
        """End the process; blocks."""

    def lived_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started_at


class ServerUnit(Unit):
    """PostgreSQL or Redis."""

    def __init__(self, server: EmbeddedServer) -> None:
        super().__init__()
        self.server = server
        self.name = server.name

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The server's process."""
        return self.server.process

    async def start(self) -> None:
        """Prepare, start and configure the server. Raises EmbeddedError."""
        await asyncio.to_thread(self.server.prepare)
        self.started_at = time.monotonic()
        self.server.spawn()
        await asyncio.to_thread(self.server.wait_ready)
        await asyncio.to_thread(self.server.configure)

    def end(self) -> None:
        """End the server."""
        self.server.stop()


class ProcessUnit(Unit):
    """One of the product's own processes; its output goes to the terminal."""

    def __init__(self, spec: ProcessSpec, console: Console, environment: Callable[[], Mapping[str, str]]) -> None:
        super().__init__()
        self.spec = spec
        self.name = spec.name
        self._console = console
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The process."""
        return self._process

    async def start(self) -> None:
        """Start the process with the settings of now."""
        self.expected = False
        self.started_at = time.monotonic()
        self._process = process.spawn(
            self.spec.command, cwd=PROJECT, output=subprocess.PIPE, environment=self._environment()
        )
        if self._process.stdout is not None:
            self._console.follow(self.name, self._process.stdout)

    def end(self) -> None:
        """End the process by the steps of its row in the table."""
        if self._process is not None:
            process.end(self._process, self.spec.steps)
