"""One live server for the package, and on it a tenant with a key for each module."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import make_tenant
from tests.gateway.clients import Api
from tests.gateway.live_server import LiveServer, running


@dataclass(frozen=True)
class Service:
    """Where the server is, and who may come in."""

    live: LiveServer
    slug: str
    token: str

    @property
    def api(self) -> Api:
        """Writes what subscriptions are to tell."""
        return Api(self.live.url, self.token)


@pytest.fixture(scope="package")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The product's web process and relay."""
    folder: Path = tmp_path_factory.mktemp("conformance")
    with running(folder) as server:
        yield server


@pytest.fixture(scope="module")
def service(live: LiveServer) -> Service:
    """The server, and a tenant that nobody else writes to."""
    kit = make_tenant()
    return Service(live, kit.info.slug, kit.key("admin"))
