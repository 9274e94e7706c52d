"""Hostile clients over raw frames (RFC 6455): each is refused by its code, memory stays flat, other tenants notice nothing."""

import base64
import json
import os
import socket as sockets
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tests.conftest import TenantKit, make_tenant
from tests.gateway.clients import Api, socket
from tests.gateway.live_server import LiveServer

TEXT, CONTINUATION, BINARY, PING = 0x1, 0x0, 0x2, 0x9
FOLLOW = "subscription ($t: ID!) { changes(tenantId: $t) { eventId } }"


@dataclass
class Raw:
    """A websocket by hand: any frame may be sent."""

    wire: sockets.socket
    tenant: str = ""

    def frame(
        self, payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv1: bool = False, mask: bool = True
    ) -> None:
        first = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
        size, masked = len(payload), 0x80 if mask else 0
        if size < 126:
            head = struct.pack("!BB", first, masked | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", first, masked | 126, size)
        else:
            head = struct.pack("!BBQ", first, masked | 127, size)
        # A mask of zeros is a mask, and leaves the payload as it is.
        try:
            self.wire.sendall(head + (bytes(4) if mask else b"") + payload)
        except OSError:
            return  # refused and gone while it was sent: the close is read below, or its absence noticed

    def say(self, **message: Any) -> None:
        self.frame(json.dumps(message).encode())

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.wire.recv(count - len(found))
            if not part:
                raise ConnectionError("the connection ended without a close")
            found += part
        return found

    def read(self) -> dict[str, Any] | int:
        """Return the next message, or the code of the close."""
        while True:
            first, size = self._exactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", self._exactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._exactly(8))
            payload = self._exactly(size)
            if first & 0x0F == 0x8:
                return int(struct.unpack("!H", payload[:2])[0])
            if first & 0x0F == TEXT:
                found: dict[str, Any] = json.loads(payload)
                return found

    def code(self) -> int:
        """Read up to the close; return its code."""
        while not isinstance(found := self.read(), int):
            pass
        return found


@contextmanager
def raw(live: LiveServer, token: str = "") -> Iterator[Raw]:
    with sockets.create_connection(("127.0.0.1", live.port), timeout=20) as wire:
        key = base64.b64encode(os.urandom(16)).decode()
        wire.sendall(
            f"GET /graphql/ws HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += wire.recv(1)
        assert b" 101 " in head
        assert b"permessage-deflate" not in head, "what is compressed can be made to explode"
        found = Raw(wire)
        if token:
            found.say(type="connection_init", payload={"authorization": f"Bearer {token}"})
            assert found.read() == {"type": "connection_ack"}
        yield found


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    return make_tenant()


@pytest.fixture(scope="module")
def token(kit: TenantKit) -> str:
    return kit.key("reader")


def ping(**more: Any) -> bytes:
    return json.dumps({"type": "ping", **more}).encode()


def a_megabyte(client: Raw) -> None:
    client.frame(b'{"type":"ping","payload":{"x":"' + b"x" * 2**20 + b'"}}')


def a_megabyte_in_pieces(client: Raw) -> None:
    client.frame(b'{"type":"ping","payload":{"x":"', fin=False)
    for _ in range(16):
        client.frame(b"x" * 2**16, CONTINUATION, fin=False)
    client.frame(b'"}}', CONTINUATION)


def pieces_without_an_end(client: Raw) -> None:
    client.frame(b"{", fin=False)
    for _ in range(100_000):
        client.frame(b" " * 100, CONTINUATION, fin=False)


def half_a_character(client: Raw) -> None:
    client.frame(b'{"type":"ping","payload":{"x":"\xc3"}}')


def a_lone_surrogate(client: Raw) -> None:
    client.frame(b'{"type":"ping","payload":{"x":"\xed\xa0\x80"}}')


def compressed(client: Raw) -> None:
    client.frame(ping(), rsv1=True)


def unmasked(client: Raw) -> None:
    client.frame(ping(), mask=False)


def an_unknown_opcode(client: Raw) -> None:
    client.frame(ping(), 0x3)


def a_text_inside_a_text(client: Raw) -> None:
    client.frame(b'{"type":', fin=False)
    client.frame(ping())


def a_piece_of_nothing(client: Raw) -> None:
    client.frame(ping(), CONTINUATION)


def a_long_ping(client: Raw) -> None:
    client.frame(b"x" * 126, PING)


def bytes_instead(client: Raw) -> None:
    client.frame(ping(), BINARY)


def no_json(client: Raw) -> None:
    client.frame(b"{" * 100_000)


def no_type(client: Raw) -> None:
    client.say(id="1")


def another_type(client: Raw) -> None:
    client.say(type="start", id="1")


def a_second_introduction(client: Raw) -> None:
    client.say(type="connection_init")


def an_id_in_use(client: Raw) -> None:
    for _ in range(2):
        client.say(type="subscribe", id="1", payload={"query": FOLLOW, "variables": {"t": client.tenant}})


def an_id_too_long(client: Raw) -> None:
    client.say(type="subscribe", id="x" * 257, payload={"query": "{ __typename }"})


def variables_that_are_none(client: Raw) -> None:
    client.say(type="subscribe", id="1", payload={"query": "{ __typename }", "variables": [1]})


def a_flood(client: Raw) -> None:
    client.wire.sendall(b"".join([b"\x81\x8f" + bytes(4) + b'{"type":"pong"}'] * 3_000))


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (a_megabyte, 1009),
        (a_megabyte_in_pieces, 1009),
        (pieces_without_an_end, 1009),
        (half_a_character, 1007),
        (a_lone_surrogate, 1007),
        (compressed, 1002),
        (unmasked, 1002),
        (an_unknown_opcode, 1002),
        (a_text_inside_a_text, 1002),
        (a_piece_of_nothing, 1002),
        (a_long_ping, 1002),
        (bytes_instead, 1003),
        (no_json, 4400),
        (no_type, 4400),
        (another_type, 4400),
        (a_second_introduction, 4429),
        (an_id_in_use, 4409),
        (an_id_too_long, 4400),
        (variables_that_are_none, 4400),
        (a_flood, 4429),
    ],
)
def test_each_is_refused_by_its_code(live: LiveServer, kit: TenantKit, token: str, send: Any, code: int) -> None:
    with raw(live, token) as client:
        client.tenant = kit.info.slug
        send(client)
        assert client.code() == code


def test_pieces_of_a_message_are_a_message(live: LiveServer, token: str) -> None:
    with raw(live, token) as client:
        whole = ping(payload={"x": "é"})
        cut = whole.index(b"\\u00e9")
        client.frame(whole[:cut], fin=False)
        client.frame(b"between", PING)
        client.frame(whole[cut : cut + 3], CONTINUATION, fin=False)
        client.frame(whole[cut + 3 :], CONTINUATION)
        found = client.read()
        while found == {}:
            found = client.read()
        assert found == {"type": "pong", "payload": {"x": "é"}}


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        (FOLLOW, {"t": "another"}, "FORBIDDEN"),
        ("subscription ($t: ID!) { changes(tenantId: $t, since: \"99999999\") { eventId } }", {}, "BAD_USER_INPUT"),
        ("subscription ($t: ID!) { changes(tenantId: $t, since: \"x\") { eventId } }", {}, "BAD_USER_INPUT"),
        ("query { asset(id: 1) { " + "a { " * 40 + "id" + " }" * 42, {}, "TOO_COMPLEX"),
        ("subscription ($t: ID!) { changes(tenantId: $t) { " + "entity { " * 20 + "id" + " }" * 22, {}, "TOO_COMPLEX"),
        ("subscription ($t: ID!) { changes(tenantId: $t) { " + " ".join(f"a{n}: eventId" for n in range(100)) + " } }", {}, "TOO_COMPLEX"),
        ("subscription ($t: ID!) { nothing(tenantId: $t) }", {}, "BAD_USER_INPUT"),
    ],
)  # fmt: skip
def test_an_operation_is_refused_and_the_connection_goes_on(
    live: LiveServer, kit: TenantKit, token: str, query: str, variables: dict[str, str], code: str
) -> None:
    other = make_tenant()
    given = {"t": kit.info.slug, **variables}
    if given["t"] == "another":
        given["t"] = str(other.info.id)
    with raw(live, token) as client:
        client.say(type="subscribe", id="1", payload={"query": query, "variables": given})
        found = client.read()
        assert isinstance(found, dict)
        assert (found["type"], found["id"]) == ("error", "1")
        assert found["payload"][0]["extensions"]["code"] == code, found
        client.say(type="ping")
        assert client.read() == {"type": "pong"}


def test_ten_thousand_subscribes_and_every_abuse_cost_others_nothing(
    live: LiveServer, kit: TenantKit, token: str
) -> None:
    other = make_tenant()
    api = Api(live.url, other.key("admin"))
    assert live.web.process is not None
    web = psutil.Process(live.web.process.pid)

    def subscribe_ten_thousand() -> int:
        with raw(live, token) as client:
            begin = {"type": "subscribe", "payload": {"query": FOLLOW, "variables": {"t": kit.info.slug}}}
            for number in range(10_000):
                client.say(id=f"{number}", **begin)
            refused: list[str] = []
            while not isinstance(found := client.read(), int):
                assert found["type"] == "error", found
                refused.append(found["payload"][0]["extensions"]["code"])
            assert found == 4429
            assert len(refused) >= 100
            assert set(refused) == {"RATE_LIMITED"}
            return found

    def abuse() -> None:
        subscribe_ten_thousand()
        for send in (a_megabyte, a_megabyte_in_pieces, no_json, half_a_character, a_flood):
            with raw(live, token) as client:
                send(client)
                client.code()

    abuse()  # what is made once is made now
    before, over, failures = web.memory_info().rss, threading.Event(), []

    def run() -> None:
        try:
            for _ in range(4):
                abuse()
        except Exception as error:
            failures.append(error)
        finally:
            over.set()

    with socket(live.ws_url, other.key("reader")) as client:
        id_ = client.subscribe(FOLLOW, t=other.info.slug)
        client.settle()
        time.sleep(0.4)
        abuser = threading.Thread(target=run)
        abuser.start()
        latencies = []
        while not over.is_set():
            wrote = time.monotonic()
            api.upsert({"kind": "A", "externalId": f"{len(latencies)}"})
            client.next(id_)
            latencies.append(time.monotonic() - wrote)
        abuser.join()
    assert failures == []
    assert sorted(latencies)[len(latencies) // 2] < 1.0
    assert max(latencies) < 5.0
    assert web.memory_info().rss - before < 24 * 2**20
