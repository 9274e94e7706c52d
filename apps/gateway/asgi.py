"""The GraphQL doors of the web process: one engine, and the websocket as the log and the traces see it.

HTTP passes `edge.py` first; which path has which door stands in `intelgraph/asgi.py`.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import Any

from opentelemetry.trace import SpanKind

from apps.core import conf, telemetry
from apps.gateway import arrivals, measures
from apps.gateway.engine import Engine
from apps.gateway.graphql_http import GraphQLHttp
from apps.gateway.realtime.batches import BUFFER
from apps.gateway.schema import schema
from apps.gateway.sdl import released_documents
from apps.gateway.ws_app import GraphQLSocket

log = telemetry.get_logger("apps.gateway.access")
tracing = telemetry.tracer(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

SOCKET_PATHS = frozenset({"/graphql/ws", "/graphql"})


@cache
def engine() -> Engine:
    """Return this process's GraphQL engine."""
    return Engine(
        schema.graphql_schema, safelist=released_documents(), safelist_only=conf.get().flag("IG_PERSISTED_ONLY")
    )


def graphql() -> GraphQLHttp:
    """Return the door of GraphQL over HTTP."""
    return GraphQLHttp(engine)


class Sockets:
    """The websocket door, observed."""

    def __init__(self) -> None:
        self.graphql = GraphQLSocket(engine)
        BUFFER.bound_bytes = int(conf.get()["IG_LIVE_BUFFER_MB"]) * 2**20
        BUFFER.changed = measures.BUFFERED.set

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = arrivals.headers_of(scope)
        request_id = arrivals.request_id_of(headers)
        scope["ig"] = {"request_id": request_id}
        if scope["path"].rstrip("/") not in SOCKET_PATHS:
            await receive()
            await send({"type": "websocket.close", "code": 4404})
            return
        started = time.perf_counter()
        # The span covers the handshake only; a connection lives for hours, its operations have spans of their own.
        with tracing.start_as_current_span(
            "websocket graphql",
            context=telemetry.remote_parent(headers),
            kind=SpanKind.SERVER,
            attributes={"http.route": scope["path"], "network.protocol.name": "websocket", "ig.request_id": request_id},
        ):
            pass
        del headers  # a connection may last for days
        try:
            await self.graphql(scope, receive, send)
        finally:
            log.info(
                "socket", path=scope["path"], seconds=round(time.perf_counter() - started, 1), request_id=request_id
            )
