"""Websocket framing (RFC 6455), with raw frames: what must be joined, echoed and refused."""

import struct
from typing import Any

import pytest

from apps.gateway.ws_protocol import SocketLimits
from tests.conformance.conftest import Service
from tests.conformance.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, frame

HELLO = b'{"type":"connection_init"}'
BIG = SocketLimits().max_message_bytes
DROPPED = 1006


@pytest.fixture
def url(service: Service) -> str:
    return service.live.ws_url


def test_the_handshake_is_right(url: str) -> None:
    with Wire(url) as wire:
        assert (wire.status, wire.headers["sec-websocket-accept"]) == (101, wire.accept)
        assert wire.headers["sec-websocket-protocol"] == "graphql-transport-ws"
        assert "sec-websocket-extensions" not in wire.headers


@pytest.mark.parametrize(
    "change",
    [{"Sec_WebSocket_Version": "7"}, {"Sec_WebSocket_Key": None}, {"Origin": "https://evil.example"}],
    ids=["other version", "no key", "foreign origin"],
)
def test_a_wrong_handshake_is_refused(url: str, change: dict[str, str | None]) -> None:
    with Wire(url, **change) as wire:
        assert 400 <= wire.status < 500


def test_fragments_are_joined_with_a_ping_between_them(url: str) -> None:
    with Wire(url) as wire:
        wire.send(TEXT, HELLO[:10], fin=False)
        wire.send(PING, b"between")
        wire.send(CONTINUATION, HELLO[10:])
        assert wire.until(PONG) == b"between"
        assert b"connection_ack" in wire.until(TEXT)


def test_a_message_byte_by_byte_and_two_in_one_segment(url: str) -> None:
    with Wire(url) as wire:
        for byte in frame(TEXT, HELLO):
            wire.socket.sendall(bytes([byte]))
        assert b"connection_ack" in wire.until(TEXT)
        wire.socket.sendall(frame(TEXT, b'{"type":"ping"}') * 2)
        assert [b"pong" in wire.until(TEXT), b"pong" in wire.until(TEXT)] == [True, True]


def test_a_ping_is_echoed_to_the_last_byte(url: str) -> None:
    with Wire(url) as wire:
        for payload in (b"", b"\x00\xff" * 62 + b"!"):
            wire.send(PING, payload)
            assert wire.until(PONG) == payload


def test_a_close_is_answered(url: str) -> None:
    with Wire(url) as wire:
        wire.send(CLOSE, struct.pack("!H", 1000))
        assert wire.ends() == 1000


@pytest.mark.parametrize(
    ("codes", "what"),
    [
        ({1002}, {"mask": False}),
        ({1002}, {"reserved": 4}),
        ({1002}, {"opcode": 3}),
        ({1002}, {"opcode": PING, "payload": b"x" * 126}),
        ({1002}, {"opcode": PING, "payload": b"x", "fin": False}),
        ({1002}, {"opcode": CONTINUATION}),
        ({1002}, {"opcode": CLOSE, "payload": b"\x03"}),
        ({1002}, {"opcode": CLOSE, "payload": struct.pack("!H", 1005)}),
        ({1007}, {"payload": b'{"type":"\xff\xfe"}'}),
        ({1007}, {"payload": b'{"type":"\xed\xa0\x80"}'}),
        ({1009, 4400}, {"payload": b'{"type":"' + b"x" * BIG + b'"}'}),
        ({1002, 1003, 4400}, {"opcode": BINARY, "payload": b"\x00\x01"}),
    ],
    ids=[
        "unmasked", "reserved bit", "reserved opcode", "long ping", "fragmented ping", "continuation of nothing",
        "close with one byte", "close with a code that is none", "not UTF-8", "half a surrogate pair", "too big", "binary",
    ],
)  # fmt: skip
def test_a_frame_that_must_not_be_ends_the_connection_and_no_other(
    url: str, codes: set[int], what: dict[str, Any]
) -> None:
    with Wire(url) as bystander, Wire(url) as wire:
        wire.socket.sendall(frame(**{"opcode": TEXT, "payload": HELLO, **what}))
        assert wire.ends() in codes | {DROPPED}
        bystander.send(PING, b"still here")
        assert bystander.until(PONG) == b"still here"


def test_a_header_that_promises_what_never_comes_holds_no_memory(url: str) -> None:
    with Wire(url) as wire:
        wire.socket.sendall(bytes([0x81, 0xFF]) + struct.pack("!Q", 1 << 40) + b"mask")
        assert wire.ends() in {1009, DROPPED}
