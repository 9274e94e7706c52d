"""Prometheus metrics of several processes as one page.

Each process keeps its figures in files of the shared folder (see `apps.core.processes`); any web process serves the
sum. Files of processes that ended: gauges go at once, since they tell of something that is no more; counters stay
until the next web process starts, so that totals do not fall while the installation runs.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from apps.core.processes import shared_folder

OURS = "ig_"
_FILE = re.compile(r"^(?P<kind>[a-z]+)(?:_[a-z]+)?_(?P<pid>\d+)\.db$")

JOB_SECONDS = Histogram(
    "ig_job_duration_seconds",
    "Time that a background job ran",
    ["task", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
)
JOBS_RUNNING = Gauge("ig_jobs_running", "Background jobs that run now", ["task"], multiprocess_mode="livesum")
KEPT = Counter("ig_kept_reads_total", "Values read because they were not kept in the process", ["name"])
MAIL_SENT = Counter("ig_mail_total", "Messages handed to the mail server, or not taken by it", ["mail", "outcome"])
JOBS_SENT = Counter("ig_jobs_sent_total", "Background jobs put into the queue", ["task", "outcome"])


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _ended(folder: Path) -> list[tuple[str, Path]]:
    """Return (kind, file) of every file whose process has ended."""
    found: list[tuple[str, Path]] = []
    alive: dict[int, bool] = {}
    for path in folder.glob("*.db"):
        match = _FILE.match(path.name)
        if match is None:
            continue
        pid = int(match["pid"])
        if pid not in alive:
            alive[pid] = _alive(pid)
        if not alive[pid]:
            found.append((match["kind"], path))
    return found


def forget_ended_processes() -> int:
    """Remove all figures of processes that have ended; return how many files went. For a web process that starts."""
    folder = shared_folder()
    if folder is None or not folder.is_dir():
        return 0
    ended = _ended(folder)
    for _, path in ended:
        path.unlink(missing_ok=True)
    return len(ended)


def exposition(accept: str, collectors: Iterable[Any] = ()) -> tuple[bytes, str]:
    """Return (body, content type) of the metrics of all processes and of `collectors`, which measure now.

    `accept` chooses between OpenMetrics and Prometheus's text format.
    """
    folder = shared_folder()
    if folder is None or not folder.is_dir():
        registry = CollectorRegistry(support_collectors_without_names=True)
        registry.register(_Everything(REGISTRY))
    else:
        for kind, path in _ended(folder):
            if kind == "gauge":
                path.unlink(missing_ok=True)
        registry = CollectorRegistry(support_collectors_without_names=True)
        registry.register(_Shared(folder))
    for collector in collectors:
        registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Shared:
    """The figures of all processes, and by name and type what this one declares and nobody has counted yet.

    Without the latter, nobody could tell a rule about a figure that is still to come from one about none.
    """

    def __init__(self, folder: Path) -> None:
        self.files = MultiProcessCollector(CollectorRegistry(), str(folder))

    def collect(self) -> Iterable[Any]:
        """Yield the metric families."""
        counted = set()
        for family in self.files.collect():
            counted.add(family.name)
            yield family
        for family in REGISTRY.collect():
            if family.name.startswith(OURS) and family.name not in counted:
                # OpenMetrics names a counter's family without `_total`: under its full name it has no type yet.
                name, kind = (
                    (f"{family.name}_total", "unknown") if family.type == "counter" else (family.name, family.type)
                )
                yield Metric(name, family.documentation, kind)


class _Everything:
    """All metrics of another registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def collect(self) -> Iterable[Any]:
        """Yield the metric families."""
        return self.registry.collect()
