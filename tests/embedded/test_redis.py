"""The embedded Redis: what it keeps, what it survives, whom it lets in."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from intelgraph.embedded import ports
from intelgraph.embedded.errors import AlreadyRunning
from intelgraph.embedded.redis import EmbeddedRedis


@pytest.fixture
def server(var: Path) -> Iterator[EmbeddedRedis]:
    """A running server."""
    embedded = EmbeddedRedis(var)
    embedded.start()
    yield embedded
    embedded.stop()


def test_both_addresses_lead_to_it_and_ask_for_the_password(server: EmbeddedRedis) -> None:
    for url in (server.url(), server.socket_url()):
        assert redis.Redis.from_url(url).ping()
        password = url.split(":")[2].split("@")[0]
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(url.replace(f":{password}@", "")).ping()
    assert server.process is not None
    assert password not in " ".join(psutil.Process(server.process.pid).cmdline())


def test_it_is_set_up_for_queues_and_fan_out(server: EmbeddedRedis) -> None:
    client = redis.Redis.from_url(server.url())
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert client.config_get("appendfsync")["appendfsync"] == "everysec"
    assert (
        f"pubsub {256 * 1024 * 1024} " in client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
    )
    assert client.config_get("bind")["bind"] == "127.0.0.1"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_contents_survive(server: EmbeddedRedis, number: signal.Signals) -> None:
    redis.Redis.from_url(server.url()).set("kept", "yes")
    assert server.process is not None
    server.process.send_signal(number)
    server.process.wait()
    server.start()
    assert redis.Redis.from_url(server.url()).get("kept") == b"yes"
    assert not server.mended


def test_a_file_cut_short_loses_its_last_entry_only(server: EmbeddedRedis) -> None:
    client = redis.Redis.from_url(server.url())
    for number in range(10):
        client.set(f"key-{number}", "x" * 50)
    server.stop()
    file = server.append_only_file
    file.write_bytes(file.read_bytes()[:-20])
    server.start()
    assert redis.Redis.from_url(server.url()).dbsize() == 9


def test_a_file_damaged_in_its_middle_is_cut_there_and_a_copy_is_kept(server: EmbeddedRedis) -> None:
    client = redis.Redis.from_url(server.url())
    for number in range(10):
        client.set(f"key-{number}", "x" * 50)
    server.stop()
    whole = server.append_only_file.read_bytes()
    half = whole.index(b"key-5")
    damaged = whole[:half] + b"damage" + whole[half:]
    server.append_only_file.write_bytes(damaged)
    server.start()
    assert redis.Redis.from_url(server.url()).dbsize() == 5
    assert "damaged" in server.mended
    (copy,) = server.folder.glob("*.damaged-*")
    assert copy.read_bytes() == damaged


def test_an_orphan_is_ended_by_the_next_start(server: EmbeddedRedis, var: Path) -> None:
    assert server.process is not None
    orphan = server.process
    with pytest.raises(AlreadyRunning):
        EmbeddedRedis(var).start()
    server._lock.release()  # as the death of its supervisor does
    second = EmbeddedRedis(var)
    try:
        second.start()
        assert orphan.wait(30) == 0
        assert second.healthy()
    finally:
        second.stop()


def test_a_taken_port_is_replaced(server: EmbeddedRedis) -> None:
    before = ports.recorded(server.layout.services, "redis")
    server.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", before))
        taken.listen()
        server.start()
    assert ports.recorded(server.layout.services, "redis") != before
    assert redis.Redis.from_url(server.url()).ping()
