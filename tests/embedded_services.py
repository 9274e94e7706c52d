"""Real PostgreSQL, Redis and (where asked) Neo4j for the suite: started once by the first process, on free ports.

Workers of pytest-xdist inherit the addresses by environment. Each worker gets its own database, copied from a
migrated template, and its own Redis database number.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from intelgraph.embedded.neo4j import EmbeddedNeo4j
from intelgraph.embedded.postgres import EmbeddedPostgres
from intelgraph.embedded.redis import EmbeddedRedis

ROOT = Path(__file__).resolve().parent.parent
HANDED_DOWN = "IG_TEST_SERVICES"
TEMPLATE = "ig_test_template"


@dataclass(frozen=True)
class Services:
    """Where the suite's services are; the same in every worker."""

    var: str
    neo4j_url: str


def _environment(var: Path, postgres: EmbeddedPostgres, redis: EmbeddedRedis, database: str, number: int) -> dict[str, str]:
    urls = postgres.urls(database)
    return {
        "IG_MODE": "embedded",
        "IG_VAR": str(var),
        "SECRET_KEY": "for-tests-only-" * 5,
        "IG_KEY_SECRET": "for-tests-only-key-secret",
        "IG_BASE_URL": "http://127.0.0.1:8000",
        "IG_LOG_LEVEL": "WARNING",
        "DATABASE_URL": urls.app,
        "DATABASE_SYSTEM_URL": urls.system,
        "DATABASE_OWNER_URL": urls.owner,
        "REDIS_URL": redis.socket_url(number),
        "OBJECT_STORE_URL": f"file://{var}/objects-{database}",
        "DJANGO_SETTINGS_MODULE": "intelgraph.settings",
    }


def _migrate(environment: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--database", "owner", "--verbosity", "0"],
        cwd=ROOT, env={**os.environ, **environment}, check=True,
    )


def _start() -> Services:
    var = Path(tempfile.mkdtemp(prefix="ig-test-"))
    postgres = EmbeddedPostgres(var, fsync=False, settings={"max_connections": "300"})
    redis = EmbeddedRedis(var, fsync=False)
    neo4j = EmbeddedNeo4j(var)
    started = []

    def stop() -> None:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(var, ignore_errors=True)

    atexit.register(stop)
    for server in (postgres, redis, neo4j):
        server.start()
        started.append(server)
    postgres.create_database(TEMPLATE)
    _migrate(_environment(var, postgres, redis, TEMPLATE, 0))
    return Services(str(var), neo4j.url())


def begin() -> Services:
    """Start the services (or use the ones that were handed down) and point this process's environment at them."""
    handed = os.environ.get(HANDED_DOWN)
    if handed:
        services = Services(**json.loads(handed))
    else:
        services = _start()
        os.environ[HANDED_DOWN] = json.dumps(asdict(services))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    var = Path(services.var)
    postgres, redis = EmbeddedPostgres(var), EmbeddedRedis(var)
    database = f"ig_test_{worker}"
    if worker == "main" and any(arg.startswith(("-n", "--numprocesses")) for arg in sys.argv[1:]):
        database = TEMPLATE  # the controller of workers runs no test
    else:
        postgres.create_database(database, template=TEMPLATE)
    os.environ.update(_environment(var, postgres, redis, database, number))
    os.environ["IG_TEST_NEO4J_URL"] = services.neo4j_url
    return services
