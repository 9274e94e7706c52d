"""Products and folders for the tests of the embedded services."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.embedded.running import Running


@pytest.fixture
def var() -> Iterator[Path]:
    """A folder with a short path, as a person's is; pytest's own are too long for Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="ig-emb-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "var"


@pytest.fixture
def product(var: Path) -> Iterator[Callable[..., Running]]:
    """Make tiny products; they are ended after the test."""
    made: list[Running] = []

    def make(folder: Path | None = None, port: int | None = None, **environment: str) -> Running:
        running = Running(folder or var, port, environment)
        made.append(running)
        return running

    yield make
    for running in made:
        running.end()
