"""Fixtures of the gateway's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.live_server import LiveServer, running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The web process and the relay, for one module: the relay numbers records, so no test of another module may."""
    folder: Path = tmp_path_factory.mktemp("live")
    with running(folder) as server:
        yield server
