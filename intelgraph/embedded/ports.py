"""Loopback ports that stay the same from start to start as long as nobody else takes them."""

import secrets
import socket
from pathlib import Path

from intelgraph.embedded.errors import EmbeddedError
from intelgraph.embedded.layout import read_object, write_object
from intelgraph.embedded.locks import held

# Below the ranges that systems hand to outgoing connections (Linux 32768-60999, RFC 6335 49152-65535).
FIRST_PORT, LAST_PORT = 15_000, 31_999


def is_free(port: int) -> bool:
    """Return whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port(avoid: frozenset[int] = frozenset()) -> int:
    """Return a free loopback port that is not in `avoid`.

    Raises EmbeddedError when none is found.
    """
    for _ in range(2000):
        port = FIRST_PORT + secrets.randbelow(
            LAST_PORT - FIRST_PORT + 1
        )  # copies that start at once are spread over the range
        if port not in avoid and is_free(port):
            return port
    raise EmbeddedError(f"no free loopback port between {FIRST_PORT} and {LAST_PORT}")


def settle(services: Path, name: str) -> int:
    """Return the port of service `name` recorded in the file `services`, choosing and recording another when it is unset or taken."""
    with held(services.with_name(f".{services.name}.lock")):
        known = read_object(services)
        port = known.get(name)
        if not (isinstance(port, int) and 0 < port < 65_536 and is_free(port)):
            port = free_port(frozenset(value for value in known.values() if isinstance(value, int)))
            write_object(services, known | {name: port})
        return port


def reserve(services: Path, name: str, port: int) -> None:
    """Record that `port` is the one of service `name`, so that `settle` gives it to no other."""
    with held(services.with_name(f".{services.name}.lock")):
        known = read_object(services)
        others = {other: value for other, value in known.items() if value != port}
        if known != others | {name: port}:
            write_object(services, others | {name: port})


def recorded(services: Path, name: str) -> int:
    """Return the recorded port of service `name`.

    Raises EmbeddedError when it was never started.
    """
    port = read_object(services).get(name)
    if not isinstance(port, int):
        raise EmbeddedError(f"{services} names no port for {name}: it was never started here")
    return port
