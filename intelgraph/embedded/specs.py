"""The processes of the product, as one table."""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from intelgraph.embedded.layout import Layout
from intelgraph.embedded.process import Step

PROJECT = Path(__file__).resolve().parents[2]
MANAGE = (sys.executable, str(PROJECT / "manage.py"))

WEB_OPTIONS = (
    "intelgraph.asgi:application",
    *("--host", "127.0.0.1", "--no-server-header", "--log-level", "warning"),
    *("--loop", "uvloop", "--http", "httptools", "--ws", "apps.gateway.ws_server:FrameProtocol", "--lifespan", "on"),
    # As large as the gateway takes (the server then refuses before it stores); no compression, which can be made to explode.
    *("--ws-max-size", "262144", "--ws-per-message-deflate", "false"),
    *("--timeout-graceful-shutdown", "3"),
)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: its command, how it is ended, and in which order.

    `stage` is when it is ended: stage 0 first, all of a stage together. `after_web` processes start when the web process
    answers, so that people wait for nothing else.
    """

    name: str
    command: tuple[str, ...]
    steps: tuple[Step, ...]
    stage: int = 0
    after_web: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: processes that stay, and commands that prepare the database and load the demo and end."""

    processes: tuple[ProcessSpec, ...]
    migrate: tuple[str, ...]
    load_demo: tuple[str, ...]


def product(layout: Layout, port: int) -> Plan:
    """Return the product's plan for one `var/` and port."""
    return Plan(
        processes=_processes(layout, port),
        migrate=(*MANAGE, "migrate", "--database", "owner", "--no-input", "--verbosity", "1"),
        load_demo=(*MANAGE, "demo", "load"),
    )


def _processes(layout: Layout, port: int) -> tuple[ProcessSpec, ...]:
    celery = (sys.executable, "-m", "celery", "-A", "intelgraph")
    quick = (Step(signal.SIGTERM, 3.0), Step(signal.SIGKILL, 1.0))
    return (
        ProcessSpec(
            "web",
            (sys.executable, "-m", "uvicorn", *WEB_OPTIONS, "--port", str(port)),
            (Step(signal.SIGTERM, 4.5), Step(signal.SIGKILL, 1.0)),
        ),
        ProcessSpec("relay", (*MANAGE, "relay"), quick, stage=1),
        ProcessSpec(
            "worker",
            (
                *celery,
                "worker",
                "--pool",
                "prefork",
                "--concurrency",
                "2",
                "--loglevel",
                "WARNING",
                "--without-gossip",
                "--without-mingle",
            ),
            # Celery: SIGTERM finishes the running task, SIGQUIT leaves at once; tasks are acknowledged late, so they run again.
            (Step(signal.SIGTERM, 2.5), Step(signal.SIGQUIT, 1.5), Step(signal.SIGKILL, 1.0)),
            stage=1,
            after_web=True,
        ),
        ProcessSpec(
            "scheduler",
            (
                *celery,
                "beat",
                "--schedule",
                str(layout.run / "celerybeat-schedule"),
                "--pidfile",
                "",
                "--loglevel",
                "WARNING",
            ),
            quick,
            after_web=True,
        ),
    )
