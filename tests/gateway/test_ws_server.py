"""Ready frames on a real socket: whole and in order, whatever the socket takes at once; nothing after the end."""

import asyncio
import dis
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop

from apps.gateway.tallies import tally
from apps.gateway.waiting import Gate
from apps.gateway.ws_server import FrameProtocol, Frames


class Sink(asyncio.Protocol):
    """The server's end of a connection: as much of uvicorn's protocol as `Frames` looks at."""

    def __init__(self) -> None:
        self.disconnected = self.close_sent = False
        self.writable = Gate(is_open=True)
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        MADE.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.disconnected = True

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()


MADE: list[Sink] = []


async def connected(server_tls: ssl.SSLContext | None = None, client_tls: ssl.SSLContext | None = None) -> Any:
    MADE.clear()
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_tls)
    while not MADE:
        await asyncio.sleep(0.001)
    sink = MADE[0]
    return SimpleNamespace(server=server, reader=reader, writer=writer, sink=sink, frames=Frames(sink))  # type: ignore[arg-type]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_a_socket_does_not_take_at_once_follows_in_order(run: Any) -> None:
    async def journey() -> None:
        ends = await connected()
        assert ends.frames._file >= 0
        pieces = [bytes([number]) * size for number, size in enumerate([10, 9_000_000, 10, 200_000, 1])]
        for piece in pieces:
            ends.frames.write(piece)
        assert ends.frames.paused
        wanted = b"".join(pieces)
        assert await ends.reader.readexactly(len(wanted)) == wanted
        await asyncio.wait_for(ends.frames.drained(), 5)
        ends.frames.write(b"again, at once")
        assert await ends.reader.readexactly(14) == b"again, at once"
        ends.server.close()
        ends.writer.close()

    run(journey())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_client_that_is_gone_costs_nobody_anything(run: Any) -> None:
    async def journey() -> None:
        ends = await connected()
        ends.writer.transport.abort()
        while not ends.sink.disconnected:
            ends.frames.write(b"x" * 1_000)
            await asyncio.sleep(0.001)
        ends.frames.write(b"nobody")
        ends.server.close()

    run(journey())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_over_tls_nothing_goes_past_it(run: Any, tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_tls.load_cert_chain(certificate, key)
    client_tls = ssl.create_default_context(cafile=certificate)
    client_tls.check_hostname = False

    async def journey() -> None:
        ends = await connected(server_tls, client_tls)
        assert ends.frames._file == -1
        ends.frames.write(b"a secret")
        assert await ends.reader.readexactly(8) == b"a secret"
        ends.server.close()
        ends.writer.close()

    run(journey())


def test_the_protocol_keeps_its_attributes_in_the_object() -> None:
    """A new version of uvicorn may add some: they go here too, or an idle connection pays for a dictionary."""
    ours = set(FrameProtocol.__slots__)
    theirs = {
        name
        for method in (FrameProtocol.__mro__[1].__init__, FrameProtocol.__mro__[1].handle_connect)
        for name in _assigned(method)
    }
    assert theirs <= ours


def _assigned(method: Any) -> set[str]:
    return {each.argval for each in dis.get_instructions(method) if each.opname == "STORE_ATTR"}


async def test_a_tally_tells_the_counter_all_of_it() -> None:
    class Counter:
        def __init__(self) -> None:
            self.told: list[float] = []

        def inc(self, count: float) -> None:
            self.told.append(count)

    counter: Any = Counter()
    for count in (1, 2, 3):
        tally(counter).inc(count)
    assert counter.told == []
    while not counter.told:
        await asyncio.sleep(0.01)
    tally(counter).inc()
    while len(counter.told) < 2:
        await asyncio.sleep(0.01)
    assert counter.told == [6, 1]
