"""The load client of the websocket benchmarks: written in C, so that it is never what is measured; compiled when run."""

import json
import select
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HELLO = "~t0~hello"
SOURCE = Path(__file__).resolve().parent / "subscribers.c"


def compiled(folder: Path) -> Path:
    """Compile the client into a folder and return its path. Raises RuntimeError where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("a C compiler is missing: apt install gcc | dnf install gcc | xcode-select --install")
    program = folder / "subscribers"
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program


@dataclass(frozen=True)
class Target:
    """Where the client connects, and what it says there."""

    port: int
    path: str
    subscribe: dict[str, Any]
    headers: tuple[str, ...] = ()


class Subscribers:
    """Some hundred subscribers in one process. Made once all of them stand."""

    def __init__(
        self,
        program: Path,
        target: Target,
        connections: int,
        *,
        events: int = 0,
        warm: int = 0,
        limit_s: float = 60.0,
        arrivals: Path | None = None,
        greet: Callable[[], None] = lambda: None,
        topics: int = 0,
        dead: int = 0,
    ) -> None:
        """Connect. With `events` to expect they subscribe, without they stay idle; the first `warm` are not timed.

        With `topics` the text ######## of what they ask for is their number modulo it; the last `dead` do not read.
        `greet` is called over and over until each subscription has told what it sends: an update marked HELLO."""
        command = [str(program), "-p", str(target.port), "-u", target.path, "-n", str(connections)]
        command += ["-e", str(events), "-w", str(warm), "-t", str(limit_s)]
        for header in target.headers:
            command += ["-H", header]
        if events:
            command += ["-s", json.dumps(target.subscribe)]
        if topics:
            command += ["-T", str(topics)]
        if dead:
            command += ["-d", str(dead)]
        if arrivals is not None:
            command += ["-a", str(arrivals)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while not select.select([self.process.stdout], [], [], 0.25)[0]:
            greet()
        if self.process.stdout is None or self.process.stdout.readline() != "READY\n":
            raise RuntimeError("the load client did not become ready")

    def result(self, *, at_once: bool = False) -> dict[str, Any]:
        """Wait for the end (or end it) and return what was counted. Raises RuntimeError when a connection failed."""
        if at_once:
            self.process.send_signal(signal.SIGTERM)
        told, _ = self.process.communicate()
        found: dict[str, Any] = json.loads(told)
        if found["errors"]:
            raise RuntimeError(f"the server refused: {found}")
        return found
