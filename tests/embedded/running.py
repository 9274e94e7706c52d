"""Starts the tiny product as a person would, and looks at what its processes leave behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from intelgraph.embedded.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
# What the suite's own servers put there; the product under test finds its own.
OURS = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL", "REDIS_URL", "NEO4J_URL", "OBJECT_STORE_URL")
OURS += ("IG_VAR", "IG_BASE_URL", "SECRET_KEY", "IG_KEY_SECRET", "PORT", "VAR", "DEMO")


def bare_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without any address, and with `more`."""
    return {name: value for name, value in os.environ.items() if name not in OURS} | more


def eventually(true: Callable[[], Any], limit_s: float = 120.0) -> Any:
    """Return the first value of `true()` that is true; a process that ends while it is looked at is looked for again.
    Raises AssertionError when none is within the limit."""
    give_up = time.monotonic() + limit_s
    while time.monotonic() < give_up:
        with contextlib.suppress(psutil.NoSuchProcess):
            value = true()
            if value:
                return value
        time.sleep(0.05)
    raise AssertionError(f"not within {limit_s} s: {getattr(true, '__doc__', None) or true}")


class Running:
    """A tiny product in a process group of its own, as a terminal would start it."""

    def __init__(self, var: Path, port: int | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.var = var
        self.port = port or free_port()
        self.log = var.with_name(f"{var.name}-{self.port}.log")
        self.environment = bare_environment(PORT=str(self.port), VAR=str(var), **(environment or {}))
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> "Running":
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.embedded.tiny_product"],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def start(self) -> "Running":
        """Start it and return when it says that it is ready."""
        already = self.text().count("ready after")
        self.spawn()
        eventually(lambda: self.text().count("ready after") > already or self.popen.poll() is not None)
        assert self.popen.poll() is None, self.text()
        return self

    @property
    def popen(self) -> "subprocess.Popen[bytes]":
        """The supervisor's process."""
        assert self.process is not None
        return self.process

    def text(self) -> str:
        """Return everything that was printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get(self, path: str = "/") -> dict[str, Any]:
        """Ask the web process."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as response:
            answer: dict[str, Any] = json.loads(response.read())
            return answer

    def answers(self) -> dict[str, Any] | None:
        """Ask the web process; None when it does not answer."""
        try:
            return self.get()
        except (OSError, urllib.error.URLError):
            return None

    def family(self) -> list[psutil.Process]:
        """Return the supervisor and all its descendants."""
        supervisor = psutil.Process(self.popen.pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def member(self, text: str) -> psutil.Process:
        """Return the first of the family with `text` in its command line."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):  # one that ended meanwhile
                if text in " ".join(process.cmdline()):
                    return process
        raise LookupError(text)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group, as a terminal does for Ctrl-C."""
        os.killpg(self.popen.pid, number)

    def wait(self, limit_s: float = 30.0) -> int:
        """Return the exit status."""
        return self.popen.wait(limit_s)

    def kill_everything(self) -> None:
        """Kill -9 the supervisor and all its descendants, as a power cut for processes."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):  # the first ones take others with them
                process.kill()
        self.wait()

    def end(self) -> None:
        """Make sure that nothing stays, whatever the test did."""
        if self.process is None:
            return
        family = self.family() if self.process.poll() is None else []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        for process in left_alive(family):
            process.kill()


def left_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that still exist, zombies included: a stopped product leaves none of either."""
    return [process for process in processes if process.is_running()]
