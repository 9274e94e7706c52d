"""PostgreSQL, Redis and, when a test asks for it, Neo4j for the whole test run, in a temporary folder on free ports.

One set of servers serves all xdist workers: the first process of the run starts and ends them, the others learn of them
by the environment. Each worker gets a database of its own, copied from a migrated template, and a Redis database number.
conftest.py calls `begin()` before it loads Django.

    services().neo4j_url()
    services().create_database("restored", template=TEMPLATE)
    services().urls("restored").app
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

from intelgraph.embedded import addresses
from intelgraph.embedded.addresses import RoleUrls
from intelgraph.embedded.errors import AlreadyRunning
from intelgraph.embedded.layout import Layout
from intelgraph.embedded.locks import FileLock
from intelgraph.embedded.neo4j import EmbeddedNeo4j
from intelgraph.embedded.postgres import EmbeddedPostgres
from intelgraph.embedded.redis import EmbeddedRedis

FOLDER = "IG_TEST_SERVICES"
TEMPLATE = "ig_test_template"
NEO4J_WANTED, NEO4J_FAILED = "neo4j.wanted", "neo4j.failed"
NEO4J_LIMIT_S = 180.0
PREFIX = "ig-test-"
PROJECT = Path(__file__).resolve().parent.parent


class Services:
    """The run's servers, seen from any of its processes."""

    def __init__(self, var: Path) -> None:
        self.layout = Layout.at(var)
        self._postgres = EmbeddedPostgres(var, fsync=False)

    def environment(self, database: str, redis_number: int = 0) -> dict[str, str]:
        """Return the settings under which a program uses one of the databases and one of Redis's sixteen."""
        urls = self.urls(database)
        return addresses.environment(self.layout) | {
            "DATABASE_URL": urls.app,
            "DATABASE_OWNER_URL": urls.owner,
            "DATABASE_SYSTEM_URL": urls.system,
            "REDIS_URL": self.redis_url(redis_number),
            "OBJECT_STORE_URL": f"file://{self.layout.root}/objects-{database}",
            # Workers share one Neo4j: a test that wants it opens a projection under a name of its own.
            "NEO4J_URL": "",
            "IG_BASE_URL": "http://127.0.0.1:8000",
            "IG_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "intelgraph.settings",
        }

    def urls(self, database: str = addresses.DATABASE, *, tcp: bool = False) -> RoleUrls:
        """Return the addresses of a database, per role."""
        return addresses.postgres_urls(self.layout, database, tcp=tcp)

    def redis_url(self, database: int = 0) -> str:
        """Return the address of one of Redis's sixteen databases."""
        return addresses.redis_url(self.layout, database)

    def create_database(self, name: str, template: str | None = None) -> RoleUrls:
        """Create a database with the product's roles and rights, as a copy of `template` if given; return its addresses."""
        self._postgres.create_database(name, template)
        return self.urls(name)

    def drop_database(self, name: str) -> None:
        """Drop a database with the sessions on it."""
        self._postgres.drop_database(name)

    def neo4j_url(self) -> str:
        """Return Neo4j's address, starting it if this is the first that asks.

        Raises RuntimeError when it does not come up.
        """
        (self.layout.root / NEO4J_WANTED).touch()
        give_up = time.monotonic() + NEO4J_LIMIT_S
        while time.monotonic() < give_up:
            url = addresses.neo4j_url(self.layout)
            if url:
                return url
            failed = self.layout.root / NEO4J_FAILED
            if failed.exists():
                raise RuntimeError(failed.read_text(encoding="utf-8"))
            time.sleep(0.1)
        raise RuntimeError(f"Neo4j did not come up within {NEO4J_LIMIT_S:.0f} s")


class Owner:
    """Starts the servers of a run and ends them."""

    def __init__(self, var: Path) -> None:
        self.services = Services(var)
        self._postgres = EmbeddedPostgres(var, fsync=False, settings={"max_connections": "300"})
        self._redis = EmbeddedRedis(var, fsync=False)
        self._neo4j = EmbeddedNeo4j(var)
        self._over = threading.Event()
        self._waiter = threading.Thread(target=self._start_neo4j_when_wanted, name="neo4j", daemon=True)

    def start(self) -> Services:
        """Start PostgreSQL and Redis, and wait in the background for somebody to want Neo4j."""
        try:
            self._postgres.start()
            self._redis.start()
        except BaseException:
            self.stop()
            raise
        self._waiter.start()
        return self.services

    def stop(self) -> None:
        """End every server."""
        self._over.set()
        self._neo4j.stop()
        if self._waiter.is_alive():
            self._waiter.join(30)
        self._redis.stop()
        self._postgres.stop()

    def _start_neo4j_when_wanted(self) -> None:
        """Start Neo4j in this thread, which lives as long as the server: the kernel ends the server with it."""
        wanted = self.services.layout.root / NEO4J_WANTED
        while not wanted.exists():
            if self._over.wait(0.1):
                return
        try:
            self._neo4j.start()
        except Exception as error:  # a thread has nobody to raise to: the test that waits says what it was
            (self.services.layout.root / NEO4J_FAILED).write_text(f"Neo4j did not start: {error}", encoding="utf-8")
        self._over.wait()


_owners: dict[Path, Owner] = {}


def start_services(var: Path) -> Services:
    """Start PostgreSQL and Redis under `var` for this process and its children, if it has not; ended by `stop_services`."""
    if var not in _owners:
        owner = Owner(var)
        owner.start()
        _owners[var] = owner
    return _owners[var].services


def stop_services(var: Path) -> None:
    """End what `start_services` started under `var`; harmless when that was nothing."""
    owner = _owners.pop(var, None)
    if owner is not None:
        owner.stop()


def begin() -> Services:
    """Point this process's environment at its own database and Redis number, and return the run's servers.

    The run's first process starts the servers, migrates the template and ends the servers when it exits. What the person's
    shell names is replaced: that is not for tests to write into. Raises RuntimeError when the migrations fail.
    """
    os.environ.pop("NEO4J_URL", None)
    if not os.environ.get(FOLDER):
        remove_abandoned()
        var = Path(tempfile.mkdtemp(prefix=PREFIX))
        atexit.register(end)
        start_services(var).create_database(TEMPLATE)
        os.environ[FOLDER] = str(var)
        _migrate(services().environment(TEMPLATE))
        if only_distributes():
            os.environ.update(services().environment(TEMPLATE))
            return services()
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    database = f"ig_test_{worker}"
    services().create_database(database, template=TEMPLATE)
    os.environ.update(services().environment(database, 1 + int(worker.removeprefix("gw")) if worker != "main" else 0))
    return services()


def _migrate(environment: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--database", "owner", "--no-input", "--verbosity", "0"]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the migrations failed:\n{done.stdout}{done.stderr}")


def only_distributes() -> bool:
    """Return whether this process hands its tests to workers. It must not connect then: a template in use is not copied."""
    return any(argument.startswith(("-n", "--numprocesses")) for argument in sys.argv[1:])


def end() -> None:
    """End the servers if this process started them, and remove their folder."""
    for var in list(_owners):
        stop_services(var)
        shutil.rmtree(var, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the folders of runs that were killed: nobody holds their PostgreSQL any more."""
    for var in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = FileLock(var / "postgres" / "in-use.lock")
        try:
            lock.acquire(what=str(var))
        except (AlreadyRunning, OSError):
            continue  # another run uses it, has only just made it, or belongs to somebody else
        shutil.rmtree(var, ignore_errors=True)
        lock.release()


@cache
def services() -> Services:
    """Return the run's servers, in any of its processes.

    Raises KeyError when `begin` was not called.
    """
    return Services(Path(os.environ[FOLDER]))
