"""What every benchmark shares: a database of its own with fsync on, and the form of the result."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from intelgraph.embedded.postgres import EmbeddedPostgres
from intelgraph.embedded.redis import EmbeddedRedis

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Running:
    """The services of one benchmark, and the folder they work in."""

    var: Path
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis


@contextmanager
def services() -> Iterator[Running]:
    """Start PostgreSQL (durable, as `make run` does) and Redis in a temporary folder, migrated; point Django there."""
    var = Path(tempfile.mkdtemp(prefix="ig-bench-"))
    postgres, redis = EmbeddedPostgres(var), EmbeddedRedis(var)
    try:
        postgres.start()
        redis.start()
        urls = postgres.urls()
        os.environ.update(
            {
                "IG_MODE": "embedded",
                "IG_VAR": str(var),
                "SECRET_KEY": "for-benchmarks-only-" * 3,
                "IG_KEY_SECRET": "for-benchmarks-only",
                "DATABASE_URL": urls.app,
                "DATABASE_SYSTEM_URL": urls.system,
                "DATABASE_OWNER_URL": urls.owner,
                "REDIS_URL": redis.socket_url(0),
                "OBJECT_STORE_URL": f"file://{var}/objects",
                "IG_LOG_LEVEL": "WARNING",
                "DJANGO_SETTINGS_MODULE": "intelgraph.settings",
            }
        )
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--database", "owner", "--verbosity", "0"], cwd=ROOT, check=True
        )
        yield Running(var, postgres, redis)
    finally:
        redis.stop()
        postgres.stop()
        shutil.rmtree(var, ignore_errors=True)


def foreign_load() -> float:
    """Return the cores that are busy before the benchmark begins, over half a second."""
    return round(psutil.cpu_percent(interval=0.5) / 100 * (psutil.cpu_count() or 1), 2)


def report(name: str, figures: dict[str, float], ratios: dict[str, float], peers: dict[str, Any], load: float) -> None:
    """Print the one JSON object that scripts read."""
    print(
        json.dumps(
            {
                "name": name,
                "figures": {key: round(value, 3) for key, value in figures.items()},
                "ratios": {key: round(value, 3) for key, value in ratios.items()},
                "peers": peers,
                "machine": {
                    "cores": psutil.cpu_count(),
                    "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
                    "foreign_load": load,
                    "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                },
            }
        )
    )
