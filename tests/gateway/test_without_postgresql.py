"""The web process while PostgreSQL is away: it says so at every door, and when to come back."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.conftest import make_tenant
from tests.gateway.clients import Closed, socket
from tests.gateway.live_server import LiveServer, free_port, running

WORDS = "the database cannot be reached now"


def _closed(server: LiveServer, key: str) -> tuple[int, str]:
    try:
        with socket(server.ws_url, key):
            return 0, "it opened"
    except Closed as closed:
        return closed.code, closed.reason


def test_each_door_says_that_the_database_is_away(tmp_path: Path) -> None:
    key = make_tenant().key("admin")
    nowhere = f"postgresql://ig_app@127.0.0.1:{free_port()}/nowhere?connect_timeout=1"
    with (
        running(tmp_path, DATABASE_URL=nowhere, DATABASE_SYSTEM_URL=nowhere) as server,
        httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=30) as client,
        ThreadPoolExecutor() as together,
    ):
        query = {"query": "{ entities(first: 1) { nodes { id } } }"}
        answers = [
            together.submit(client.post, "/graphql", json=query),
            together.submit(client.get, "/api/v1/ledger/checkpoints"),
        ]
        live = together.submit(_closed, server, key)
        for each in answers:
            answer = each.result()
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "5"), answer.text
            assert WORDS in answer.text
            assert "127.0.0.1" not in answer.text
        assert live.result() == (1013, WORDS)
