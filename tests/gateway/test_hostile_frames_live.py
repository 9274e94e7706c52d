"""Floods of what is no message, and connections that never say who they are: cut off, and nobody else notices."""

import json
import os
import resource
import socket as sockets
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.live_server import LiveServer, running
from tests.gateway.test_bad_input_live import CONTINUATION, FOLLOW, PING, TEXT, Raw, raw

PONG = 0xA
MIB = 2**20


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def token(kit: TenantKit) -> str:
    return kit.key("reader")


def web(live: LiveServer) -> psutil.Process:
    assert live.web.process is not None
    return psutil.Process(live.web.process.pid)


def masked(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    return struct.pack("!BB", (0x80 if fin else 0) | opcode, 0x80 | len(payload)) + bytes(4) + payload


def sent_until_refused(client: Raw, frames: bytes, seconds: float = 20.0) -> int:
    """Send frames without reading until the connection ends; return how many bytes went. Raises TimeoutError."""
    client.wire.settimeout(seconds)
    until, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        try:
            client.wire.sendall(frames)
        except TimeoutError:
            raise
        except OSError:
            return sent
        sent += len(frames)
    raise TimeoutError(f"{sent} bytes were taken")


@pytest.mark.parametrize(
    ("first", "frames"),
    [
        (b"", masked(PING, b"x" * 125) * 500),
        (b"", masked(PING, b"") * 5_000),
        (b"", masked(PONG, b"x") * 5_000),
        (masked(TEXT, b"{", fin=False), masked(CONTINUATION, b"", fin=False) * 5_000),
    ],
    ids=["long pings", "pings", "pongs", "empty pieces"],
)
def test_a_flood_of_frames_is_cut_off_and_holds_no_memory(
    live: LiveServer, token: str, first: bytes, frames: bytes
) -> None:
    with raw(live, token) as client:  # what is made once is made now
        client.wire.sendall(first)
        sent_until_refused(client, frames)
    before = web(live).memory_info().rss
    for _ in range(5):
        with raw(live, token) as client:
            client.wire.sendall(first)
            assert sent_until_refused(client, frames) < 64 * MIB
    assert web(live).memory_info().rss - before < 16 * MIB


def test_a_flood_is_told_by_its_code(live: LiveServer, token: str) -> None:
    with raw(live, token) as client:
        client.wire.sendall(masked(PING, b"") * 1_001)
        assert client.code() == 4429
    with raw(live, token) as client:
        client.wire.sendall(masked(TEXT, b"{", fin=False) + masked(CONTINUATION, b" ", fin=False) * 1_000)
        assert client.code() in {1009, 4429}


def test_patience_is_no_flood(live: LiveServer, token: str) -> None:
    with raw(live, token) as client:
        for _ in range(3):
            client.wire.sendall(masked(PING, b"") * 300)
            time.sleep(0.5)
        client.say(type="ping", payload={"still": "here"})
        assert client.read() == {"type": "pong", "payload": {"still": "here"}}


def test_a_message_in_many_pieces_with_pings_between_is_taken(live: LiveServer, token: str) -> None:
    with raw(live, token) as client:
        whole = json.dumps({"type": "ping", "payload": {"x": "y" * 200}}).encode()
        client.frame(whole[:1], fin=False)
        for place in range(1, len(whole) - 1):
            client.frame(whole[place : place + 1], CONTINUATION, fin=False)
            if place % 50 == 0:
                client.frame(b"between", PING)
        client.frame(whole[-1:], CONTINUATION)
        assert client.read() == {"type": "pong", "payload": {"x": "y" * 200}}


@pytest.mark.parametrize("depth", [200, 300, 1_020, 5_000])
def test_depth_is_answered_or_refused_never_met_with_silence(live: LiveServer, token: str, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    with raw(live, token) as client:
        client.frame(b'{"type":"ping","payload":' + deep + b"}")
        found = client.read()
        assert found == 4400 if depth > 250 else isinstance(found, dict) and found["type"] == "pong"


@pytest.mark.parametrize("extensions", [{}, {"traceparent": {"a": 1}}, {"traceparent": "00-" + "z" * 5_000}])
def test_variables_that_nobody_asked_for_change_nothing(
    live: LiveServer, kit: TenantKit, token: str, extensions: dict[str, Any]
) -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    with raw(live, token) as client, socket(live.ws_url, token) as other:
        variables = f'{{"t":"{kit.info.slug}","x":' + '{"a":' * 300 + "1" + "}" * 300 + "}"
        payload = f'{{"query":{json.dumps(FOLLOW)},"variables":{variables},"extensions":{json.dumps(extensions)}}}'
        client.frame(f'{{"type":"subscribe","id":"1","payload":{payload}}}'.encode())
        id_ = other.subscribe(FOLLOW, t=kit.info.slug)
        other.settle()
        time.sleep(0.4)
        Api(live.url, kit.key("writer")).upsert({"kind": "A", "externalId": os.urandom(4).hex()})
        told, found = other.next(id_), client.read()
        assert isinstance(found, dict) and found["type"] == "next", found
        assert found["payload"]["data"] == told


def test_half_a_frame_is_closed_in_time_and_holds_up_nobody(live: LiveServer, token: str) -> None:
    """Byte by byte, before and after the introduction: the time to introduce oneself runs all the same."""
    with raw(live) as slow, socket(live.ws_url, token) as client:
        began = time.monotonic()
        slow.wire.sendall(b"\x81\xfe\xff\xff")
        slow.wire.settimeout(0.5)
        code: Any = None
        while code is None and time.monotonic() - began < 20:
            try:
                slow.wire.sendall(b"x")
                code = slow.code()
            except TimeoutError:
                client.settle()
        assert code == 4408
        assert 9 < time.monotonic() - began < 13


def stranger(port: int) -> tuple[sockets.socket, bytes]:
    """Open a connection and introduce nobody; return it and the server's answer."""
    opened = sockets.create_connection(("127.0.0.1", port), timeout=20)
    opened.sendall(
        b"GET /graphql/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    )
    return opened, opened.recv(4_096)


@pytest.fixture
def cramped(tmp_path: Path) -> Iterator[LiveServer]:
    """A server that may open 320 descriptors: 160 strangers, 120 of one address."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (320, hard))
    try:
        with running(tmp_path) as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield server
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_strangers_have_their_part_and_no_more(cramped: LiveServer, kit: TenantKit, token: str) -> None:
    """Who has introduced themselves keeps their place; who goes leaves theirs to the next."""
    with socket(cramped.ws_url, token) as client:
        id_ = client.subscribe(FOLLOW, t=kit.info.slug)
        client.settle()
        time.sleep(0.4)
        opened, refused = [], 0
        try:
            for _ in range(200):
                one, answer = stranger(cramped.port)
                opened.append(one)
                refused += b" 429 " in answer
                assert b" 101 " in answer or b"retry-after: 5" in answer.lower(), answer
            assert refused == 80
            Api(cramped.url, kit.key("writer")).upsert({"kind": "A", "externalId": os.urandom(4).hex()})
            assert client.next(id_)
        finally:
            for one in opened:
                one.close()
        for _ in range(50):
            one, answer = stranger(cramped.port)
            one.close()
            if b" 101 " in answer:
                break
            time.sleep(0.1)
        assert b" 101 " in answer
