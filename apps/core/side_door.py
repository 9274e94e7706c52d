"""`/healthz` and `/metrics` of processes that serve no web: worker, scheduler, relay.

Where the processes of an installation share a machine, the web process shows the figures of all (`apps.core.metrics`)
and this door stays shut. Where each has a machine or container of its own, `IG_SIDE_LISTEN` opens it.
"""

import hmac
import ipaddress
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apps.core import conf
from apps.core.metrics import exposition
from apps.core.telemetry import get_logger

log = get_logger(__name__)

WITHIN_S = 5.0


def may_read(ip: str, authorization: str, settings: conf.Settings) -> bool:
    """Return whether a caller from `ip` with that Authorization header may read the metrics."""
    token = settings["IG_METRICS_TOKEN"]
    scheme, _, given = authorization.partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if settings.embedded and address.is_loopback:
        return True
    return any(
        address in ipaddress.ip_network(allowed, strict=False) for allowed in settings.items_of("IG_METRICS_FROM")
    )


class _Door(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], alive: Callable[[], bool]) -> None:
        self.alive = alive
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Door
    timeout = WITHIN_S  # a caller that sends slowly holds one thread, and not for long

    def do_GET(self) -> None:
        """Answer the two paths."""
        if self.path == "/healthz":
            self._answer(*((200, b"alive\n") if self.server.alive() else (503, b"not working\n")))
        elif self.path != "/metrics":
            self._answer(404, b"")
        elif not may_read(self.client_address[0], self.headers.get("Authorization", ""), conf.get()):
            self._answer(401, b"", **{"WWW-Authenticate": 'Bearer realm="metrics"'})
        else:
            body, content_type = exposition(self.headers.get("Accept", ""))
            self._answer(200, body, **{"Content-Type": content_type})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a probe every few seconds is no news."""


def open_side_door(alive: Callable[[], bool] = lambda: True) -> ThreadingHTTPServer | None:
    """Serve the two paths from a thread, when `IG_SIDE_LISTEN` says where; return the server, None without.

    `alive` decides about `/healthz`. Raises OSError when the address is taken: a process that cannot be watched
    should not start unseen.
    """
    listen = conf.get()["IG_SIDE_LISTEN"]
    if not listen:
        return None
    host, _, port = listen.rpartition(":")
    door = _Door((host, int(port)), alive)
    threading.Thread(target=door.serve_forever, name="side-door", daemon=True).start()
    log.info("side door open", listen=listen)
    return door
