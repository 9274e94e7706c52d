"""The product's own web process and relay as child processes, on the test database, for tests that speak to them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from intelgraph.embedded.specs import WEB_OPTIONS

PROJECT = Path(__file__).resolve().parents[2]
START_S = 90.0  # a busy machine is slow to start a process


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Child:
    """A child process with its output in a file."""

    command: list[str]
    log: IO[bytes]
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            self.command, cwd=PROJECT, env=self.environment, stdout=self.log, stderr=self.log
        )

    def end(self, how: int = signal.SIGTERM) -> None:
        """End it and wait; what does not end in ten seconds is killed."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        self.process = None


@dataclass
class LiveServer:
    """Web process and relay."""

    port: int
    web: Child
    relay: Child
    log_file: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Address of the web process."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Address of the websocket."""
        return f"ws://127.0.0.1:{self.port}/graphql/ws"

    def wait_ready(self) -> None:
        """Wait until the web process answers. Raises RuntimeError with its log when it does not."""
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self.web.process is not None and self.web.process.poll() is not None:
                break
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the web process did not come up:\n{self.log_file.read_text(errors='replace')[-4000:]}")


@contextlib.contextmanager
def running(folder: Path, **extra: str) -> Iterator[LiveServer]:
    """Run web process and relay on the database of this test process; `extra` are further settings."""
    environment = {**os.environ, "IG_LOG_LEVEL": "INFO", "IG_VAR": str(folder / "var"), **extra}
    port = free_port()
    log_file = folder / "live.log"
    with log_file.open("ab") as log:
        web = Child([sys.executable, "-m", "uvicorn", *WEB_OPTIONS, "--port", str(port)], log, environment)
        relay = Child([sys.executable, "manage.py", "relay"], log, environment)
        server = LiveServer(port, web, relay, log_file, extra)
        try:
            relay.start()
            web.start()
            server.wait_ready()
            yield server
        finally:
            web.end()
            relay.end()
