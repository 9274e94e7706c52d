"""The servers that benchmarks start, ours and the peers', and where Node's packages for these are installed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import harness

PEERS = Path(__file__).resolve().parent / "peers"
NODE_HOME = Path(os.environ.get("IG_TOOLS_HOME", Path.home() / ".cache" / "intelgraph-tools")) / "benchmark-peers"


def node_home() -> Path | None:
    """Return the folder with the Node peers and their packages, installed when they are not; None where it cannot be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    NODE_HOME.mkdir(parents=True, exist_ok=True)
    wanted, installed = PEERS / "package.json", NODE_HOME / "package.json"
    for script in PEERS.glob("*.mjs"):
        shutil.copy(script, NODE_HOME / script.name)
    if (
        not (NODE_HOME / "node_modules").exists()
        or not installed.exists()
        or installed.read_text() != wanted.read_text()
    ):
        shutil.copy(wanted, installed)
        done = subprocess.run([npm, "install", "--silent"], cwd=NODE_HOME, capture_output=True, check=False)
        if done.returncode:
            installed.unlink()
            print(f"the Node peers cannot be installed: {done.stderr[-500:]!r}", file=sys.stderr)
            return None
    return NODE_HOME


@dataclass
class Server:
    """A server under test: how it is started, where it listens, what it is asked."""

    name: str
    command: list[str]
    bodies: dict[str, bytes] = field(default_factory=dict)
    path: str = "/graphql"
    headers: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    cwd: Path = harness.ROOT
    port: int = 0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def keep_to(cores: set[int]) -> None:
    """Keep this process and what it has started, and will start, to some cores."""
    me = psutil.Process()
    for each in (me, *me.children(recursive=True)):
        each.cpu_affinity(sorted(cores))


@contextmanager
def running(server: Server, cores: set[int] | None = None) -> Iterator[psutil.Process]:
    """Start a server, kept to some cores where they are given; wait until it takes connections; stop it."""

    def settle() -> None:
        if cores:
            os.sched_setaffinity(0, cores)

    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            server.command,
            cwd=server.cwd,
            env={**os.environ, **server.environment},
            stdout=log,
            stderr=log,
            preexec_fn=settle,
        )
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        log.seek(0)
                        raise RuntimeError(f"{server.name} does not start: {log.read()[-2000:]!r}") from None
                    time.sleep(0.1)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds (user and system) that a process and its children have used."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(t.user + t.system for t in times)
