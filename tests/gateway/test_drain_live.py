"""A web process that ends: clients are told to come back, not all at once, and nobody misses anything."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from apps.core.scope import tenant_scope
from apps.graph import services as graph
from apps.graph.types import EntityInput
from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Closed, Socket, socket
from tests.gateway.live_server import LiveServer, running

CHANGES = "subscription ($t: ID!, $since: String) { changes(tenantId: $t, since: $since) { eventId } }"
CLIENTS = 12


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("drain")) as server:
        yield server


@dataclass
class Reader:
    """Reads one subscription to its end."""

    client: Socket
    id: str
    heard: list[str] = field(default_factory=list)
    closed: Closed | None = None
    at: float = 0.0

    def run(self) -> None:
        try:
            while True:
                self.heard.append(self.client.next(self.id)["changes"]["eventId"])
        except Closed as closed:
            self.closed, self.at = closed, time.monotonic()


def write(kit: TenantKit, number: int) -> None:
    with tenant_scope(kit.info.id):
        graph.upsert_entities(kit.ctx, inputs=[EntityInput("A", f"{number}")])


def test_clients_are_told_to_come_back_and_miss_nothing(server: LiveServer) -> None:
    kit = make_tenant()
    token = kit.key("reader")
    with ExitStack() as stack:
        readers = []
        for _ in range(CLIENTS):
            client = stack.enter_context(socket(server.ws_url, token))
            readers.append(Reader(client, client.subscribe(CHANGES, t=kit.info.slug)))
        for reader in readers:
            reader.client.settle()
        time.sleep(0.5)
        threads = [threading.Thread(target=reader.run) for reader in readers]
        for thread in threads:
            thread.start()
        over, written = threading.Event(), 0
        write(kit, written)
        ending = threading.Thread(target=lambda: (server.web.end(), over.set()))
        ending.start()
        while not over.is_set():
            written += 1
            write(kit, written)
            time.sleep(0.02)
        for thread in threads:
            thread.join(10)
        ending.join()
    reasons = [reader.closed.reason for reader in readers if reader.closed]
    assert [reader.closed.code for reader in readers if reader.closed] == [1012] * CLIENTS
    waits = [int(found[1]) for found in (re.search(r"; retry-after-ms=(\d+)$", reason) for reason in reasons) if found]
    assert len(waits) == CLIENTS
    assert all(0 <= wait <= 2_000 for wait in waits)
    assert len(set(waits)) > 1
    moments = sorted(reader.at for reader in readers)
    assert moments[-1] - moments[0] > 0.5
    server.web.start()
    server.wait_ready()
    for reader in readers:
        with socket(server.ws_url, token) as client:
            id_ = client.subscribe(CHANGES, t=kit.info.slug, since=reader.heard[-1])
            while len(reader.heard) < written + 1:
                reader.heard.append(client.next(id_)["changes"]["eventId"])
    (whole,) = {tuple(reader.heard) for reader in readers}
    numbers = [int(each) for each in whole]
    assert len(numbers) == written + 1
    assert numbers == sorted(set(numbers))


def test_an_answer_that_is_being_made_is_sent_first(server: LiveServer) -> None:
    kit = make_tenant()
    mutation = "mutation ($i: [EntityInput!]!) { upsertEntities(input: $i) { created } }"
    rows = [{"kind": "A", "externalId": f"{n}"} for n in range(2_000)]
    with socket(server.ws_url, kit.key("writer")) as client:
        id_ = client.subscribe(mutation, i=rows)
        time.sleep(0.15)
        ending = threading.Thread(target=server.web.end)
        ending.start()
        assert client.next(id_) == {"upsertEntities": {"created": 2_000}}
        with pytest.raises(Closed) as closed:
            while True:
                client.receive()
        assert closed.value.code == 1012
        ending.join()
