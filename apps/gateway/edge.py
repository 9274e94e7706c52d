"""The outermost layer of HTTP: request id, trace, log line, figures and security headers of every answer.

It wraps all HTTP doors alike (Django's handler, GraphQL, health), so none can forget them. What it knows it keeps in
`scope["ig"]`, where inner layers find the request id and leave the route's template, the tenant and the actor:

    {"request_id": str, "route": str, "tenant": str, "actor": str}
"""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode

from apps.core.context import Context
from apps.core.masking import anonymous, masked
from apps.core.problem import MEDIA_TYPE, encode, plain
from apps.core.telemetry import get_logger, remote_parent, tracer, write_line
from apps.gateway import arrivals, measures, security_headers
from apps.gateway.routes import STATIC_ROUTE, UNMATCHED, method_of
from apps.gateway.versions import API_VERSION

log = get_logger("apps.gateway.access")
access = logging.getLogger("apps.gateway.access")
tracing = tracer(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

QUIET = frozenset({"/healthz", "/readyz", "/metrics", STATIC_ROUTE})
"""Routes whose good answers are not logged."""


def note_caller(facts: MutableMapping[str, str], ctx: Context) -> None:
    """Leave in `scope["ig"]` who calls and for which tenant, once a door has found out."""
    facts["tenant"] = str(ctx.tenant_id or "")
    facts["actor"] = ctx.actor.ref


MOST_TOLD = 512


@lru_cache(maxsize=4096)
def _told(text: str) -> str:
    """Return a path or a host as it may be told: without secrets and addresses."""
    return anonymous(text)


def _told_id(request_id: str) -> str:
    """Return a request id as it may be told; those of callers may be anything, ours have neither mark."""
    return masked(request_id) if "_" in request_id or "eyJ" in request_id else request_id


class Edge:
    """ASGI middleware for `http` scopes."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = arrivals.headers_of(scope)
        facts: dict[str, str] = {"request_id": arrivals.request_id_of(headers)}
        scope["ig"] = facts
        method = method_of(scope["method"])
        answer = _Answer(send, facts["request_id"])
        path = _told(scope["path"][:MOST_TOLD])
        began = time.perf_counter()
        measures.IN_FLIGHT.inc()
        with tracing.start_as_current_span(
            method,
            context=remote_parent(headers),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
            attributes={
                "http.request.method": method,
                "url.scheme": scope.get("scheme", "http"),
                "url.path": path,
                "server.address": _told(headers.get("host", "")[:MOST_TOLD]),
                "network.protocol.version": scope.get("http_version", "1.1"),
                "ig.request_id": facts["request_id"],
            },
        ) as span:
            try:
                await self.app(scope, receive, answer.send)
            except Exception as error:
                log.error(
                    "request broke", method=method, path=scope["path"], request_id=facts["request_id"], exc_info=error
                )
                if not answer.status:
                    await _broke(answer.send, facts["request_id"])
                else:
                    raise
            finally:
                seconds = time.perf_counter() - began
                measures.IN_FLIGHT.dec()
                route, status = facts.get("route") or UNMATCHED, answer.status
                measures.REQUEST_SECONDS.labels(route, method, str(status or 499)).observe(seconds)
                span.update_name(f"{method} {route}" if route != UNMATCHED else method)
                if route != UNMATCHED:
                    span.set_attribute("http.route", route)
                if facts.get("tenant"):
                    span.set_attribute("ig.tenant", facts["tenant"])
                if status:
                    span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_attribute("error.type", str(status))
                    span.set_status(Status(StatusCode.ERROR))
                if route not in QUIET or status >= 400:
                    write_line(
                        access,
                        "request",
                        {
                            "method": method,
                            "path": path,
                            "route": route,
                            "status": status or 499,
                            "ms": round(seconds * 1000, 1),
                            "request_id": _told_id(facts["request_id"]),
                            "tenant": facts.get("tenant"),
                            "actor": facts.get("actor"),
                        },
                    )


class _Answer:
    """Sends an answer on, with the headers that every answer has."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status = 0

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            headers = [
                (name, security_headers.plain_caching(value) if name.lower() == b"cache-control" else value)
                for name, value in message.get("headers") or ()
            ]
            present = {bytes(name).lower() for name, _ in headers}
            headers += security_headers.missing(present)
            if b"x-request-id" not in present:
                headers.append((b"x-request-id", self._request_id.encode("latin-1")))
            if b"x-ig-api-version" not in present:
                headers.append((b"x-ig-api-version", API_VERSION.encode()))
            message = {**message, "headers": headers}
        await self._send(message)


async def _broke(send: Send, request_id: str) -> None:
    body = encode(plain(500, "An internal error happened; tell us the request id.", request_id=request_id))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
