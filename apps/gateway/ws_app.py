"""GraphQL over websocket as an ASGI application: one connection from its handshake to its close."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from apps.core import conf
from apps.core.problem import RETRY_S
from apps.gateway import arrivals, measures
from apps.gateway.engine import Engine
from apps.gateway.waiting import Alarm, clock
from apps.gateway.ws_guard import SERVICE_RESTART
from apps.gateway.ws_line import SendMessage
from apps.gateway.ws_operations import OperatedLine
from apps.gateway.ws_protocol import (
    SUBPROTOCOL,
    Authenticate,
    Close,
    CloseCode,
    Effect,
    Ponged,
    Send,
    SocketLimits,
    Start,
    Stop,
)
from apps.gateway.ws_server import EXTENSION
from apps.gateway.ws_strangers import Strangers

REVALIDATE_S = 30.0  # should what ended access ever not be told, and for ends by time that were moved
LEAVE_S = 0.25  # how long to wait for operations that run before a farewell, at a time
_chance = random.Random()  # noqa: S311  spreads what would else happen at once

Receive = Callable[[], Awaitable[dict[str, Any]]]


class GraphQLSocket:
    """The application under `/graphql/ws`."""

    def __init__(self, engine: Callable[[], Engine], limits: SocketLimits | None = None) -> None:
        self.engine = engine
        self.limits = limits or SocketLimits()
        self.strangers = Strangers()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: SendMessage) -> None:
        headers = arrivals.headers_of(scope)
        await receive()  # websocket.connect
        if not arrivals.origin_allowed(headers):
            # Refused before the handshake: the server answers 403.
            await send({"type": "websocket.close", "code": int(CloseCode.FORBIDDEN)})
            return
        place = self.strangers.take(arrivals.ip_of(scope, headers))
        if place is None:
            await _send_away(scope, send)
            return
        measures.SOCKETS.inc()
        connection = Connection(self.engine(), self.limits, scope, headers)
        connection.stranger = place
        del headers, place  # a connection may last for days; what is wanted of them it has
        try:
            await connection.run(receive, send)
        finally:
            connection.known()
            measures.SOCKETS.dec()


async def _send_away(scope: Mapping[str, Any], send: SendMessage) -> None:
    """Refuse a handshake: too many have not said yet who they are."""
    measures.SOCKET_CLOSES.labels("429").inc()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": int(CloseCode.TRY_AGAIN_LATER)})
        return
    headers = [(b"retry-after", str(RETRY_S).encode()), (b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
    body = b"Too many connections are open that have not introduced themselves: try again later"
    await send({"type": "websocket.http.response.body", "body": body})


class Connection(OperatedLine):
    """One client. Of an idle one `run` is the only task."""

    __slots__ = ("_alarm", "_offered")

    def __init__(
        self, engine: Engine, limits: SocketLimits, scope: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        frames = (scope.get("extensions") or {}).get(EXTENSION)
        super().__init__(engine, limits, frames, arrivals.of_http(scope, headers))
        self._offered: list[str] = list(scope.get("subprotocols") or [])
        self._alarm: Alarm | None = None

    async def run(self, receive: Receive, send: SendMessage) -> None:
        """Serve the connection until either side ends it. Of an idle connection this is the only task."""
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in self._offered else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        if self.frames is not None:
            self.frames.forget_handshake()
            self.frames.on_shutdown(self.take_leave)
        self._send, self._reader = send, asyncio.current_task()
        self.perform(self.machine.offered(self._offered))
        self._alarm = clock().later(self.machine.limits.init_timeout_s, self._init_due)
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._reader is not None or task is None or task.uncancel():
                raise  # not by `_end`
        finally:
            self._reader = None
            for alarm in (self._alarm, self._end_alarm, self._last_moment):
                if alarm is not None:
                    alarm.cancel()
            self.perform(self.machine.lost())
            tasks = [*self._chores, *self.tasks.values()]
            if self._writer is not None:
                tasks.append(self._writer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.outbox.closing:
                await self.part(send)
            if self.book is not None:
                await self.book.part()
                self.book = None  # it knows the connection: together they would lie about until rings are collected
            self.forget()

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            self.perform(
                self.machine.received_bytes() if text is None else self.machine.received(text, time.monotonic())
            )

    def perform(self, effects: list[Effect]) -> None:
        """Do what the machine says."""
        for effect in effects:
            match effect:
                case Send(text):
                    self.send(text)
                case Close(code, reason):
                    self.outbox.close(code, reason)
                case Authenticate(payload):
                    self.chore(self.authenticate(payload))
                case Start(id_, payload):
                    self.start(id_, payload)
                case Stop(id_):
                    self.stop(id_)
                case Ponged(payload):
                    if self.book is not None:
                        self.book.ponged(payload)

    def _init_due(self) -> None:
        limits = self.machine.limits
        self.perform(self.machine.init_timed_out())
        self._alarm = clock().later(max(0.0, limits.anonymous_lifetime_s - limits.init_timeout_s), self._introduced)

    def _introduced(self) -> None:
        self.perform(self.machine.nobody_timed_out())
        self._alarm = clock().later(REVALIDATE_S, self._lapsed)

    def _lapsed(self) -> None:
        self.chore(self.revalidate())
        self._alarm = clock().later(REVALIDATE_S, self._lapsed)

    def take_leave(self) -> None:
        """The process ends: have the client come back, each at another moment."""
        spread_s = float(conf.get()["IG_DRAIN_S"])
        clock().later(spread_s * _chance.random(), partial(self._leave, time.monotonic() + spread_s, spread_s))

    def _leave(self, latest: float, spread_s: float) -> None:
        """Close after what waits to be sent; give operations that run until `latest` to be answered."""
        if self.executing and time.monotonic() < latest:
            clock().later(LEAVE_S, partial(self._leave, latest, spread_s))
            return
        reason = f"Server restarts: come back; retry-after-ms={_chance.randint(0, int(spread_s * 1_000))}"
        self.outbox.close(SERVICE_RESTART, reason)
        self.perform([e for e in self.machine.shut(CloseCode.GOING_AWAY, reason) if isinstance(e, Stop)])
