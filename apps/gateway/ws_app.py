"""GraphQL over websocket as an ASGI application: one connection's machine, its operations, its caller."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import orjson

from apps.core import conf
from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden, IgError, RateLimited, Unauthenticated, Unavailable
from apps.core.telemetry import get_logger
from apps.gateway import arrivals, measures, pipeline, threads
from apps.gateway.answers import Outcome
from apps.gateway.away import AWAY, database_away
from apps.gateway.call import Call
from apps.gateway.documents import is_subscription
from apps.gateway.engine import Engine, Prepared
from apps.gateway.graphql_errors import format_refusal
from apps.gateway.parameters import BadRequest, from_map
from apps.gateway.realtime import spans, states
from apps.gateway.realtime.batches import Batch, Ready, frame_header
from apps.gateway.realtime.hub import hub
from apps.gateway.realtime.shapes import Shape, Source, shape_key
from apps.gateway.realtime.states import State
from apps.gateway.realtime.wire import Change
from apps.gateway.tallies import tally
from apps.gateway.waiting import Alarm, clock
from apps.gateway.ws_arrears import SLOW_S, Arrears
from apps.gateway.ws_outbox import Outbox, Overflow
from apps.gateway.ws_protocol import (
    SUBPROTOCOL,
    Authenticate,
    Close,
    CloseCode,
    Effect,
    Machine,
    Send,
    SocketLimits,
    Start,
    Stop,
)
from apps.gateway.ws_server import EXTENSION, Frames

log = get_logger(__name__)

REVALIDATE_S = 30.0  # keys and sessions also end by time, which no record tells
PATIENCE_S = 30.0  # how long a replay waits for a client that does not read
CLOSE_S = 5.0  # how long a client that does not read may hold up its own close
LEAVE_S = 0.25  # how long to wait for operations that run before a farewell, at a time
SERVICE_RESTART = 1012
NOBODY = Context()
_chance = random.Random()  # noqa: S311  spreads what would else happen at once

Receive = Callable[[], Awaitable[dict[str, Any]]]
SendMessage = Callable[[dict[str, Any]], Awaitable[None]]


class GraphQLSocket:
    """The application under `/graphql/ws`."""

    def __init__(self, engine: Callable[[], Engine], limits: SocketLimits | None = None) -> None:
        self.engine = engine
        self.limits = limits or SocketLimits()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: SendMessage) -> None:
        headers = arrivals.headers_of(scope)
        await receive()  # websocket.connect
        if not arrivals.origin_allowed(headers):
            # Refused before the handshake: the server answers 403.
            await send({"type": "websocket.close", "code": int(CloseCode.FORBIDDEN)})
            return
        measures.SOCKETS.inc()
        connection = Connection(self.engine(), self.limits, scope, headers)
        del headers  # a connection may last for days; what is wanted of them it has
        try:
            await connection.run(receive, send)
        finally:
            measures.SOCKETS.dec()


class Connection:
    """One client. Everything runs on the event loop; blocking work goes to the thread pool."""

    def __init__(
        self, engine: Engine, limits: SocketLimits, scope: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        self.engine = engine
        self.machine = Machine(limits)
        self.outbox = Outbox(woken=self._flow)
        self.arrears: Arrears | None = None
        self.arrival = arrivals.of_http(scope, headers)
        self.ctx = NOBODY
        self.frames: Frames | None = (scope.get("extensions") or {}).get(EXTENSION)
        self._offered: list[str] = list(scope.get("subprotocols") or [])
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._checking: asyncio.Task[None] | None = None
        self._next_check: asyncio.Task[None] | None = None
        self._send: SendMessage | None = None
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._alarm: Alarm | None = None
        self._last_moment: Alarm | None = None
        self._in_hand: Ready | None = None  # what waits for the client to read, taken from the outbox
        self._executing = 0

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
            for alarm in (self._alarm, self._last_moment):
                if alarm is not None:
                    alarm.cancel()
            self.perform(self.machine.lost())
            tasks = [*self._chores, *self._tasks.values()]
            if self._writer is not None:
                tasks.append(self._writer)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.outbox.closing:
                await self._part(send)

    async def _part(self, send: SendMessage) -> None:
        """Leave the close, and messages that were to be said before it, with the server: the client may read them yet."""
        with suppress(Exception):  # it was said before, or nobody is there
            async with asyncio.timeout(CLOSE_S):
                while (item := self.outbox.take()) is not None:
                    if isinstance(item, tuple):
                        code, reason = item
                        await send({"type": "websocket.close", "code": code, "reason": reason})
                        return
                    if isinstance(item, str) and self.frames is not None:
                        payload = item.encode()
                        self.frames.write(frame_header(len(payload)) + payload)

    # -- in and out -----------------------------------------------------------------------------------------------

    async def _read(self, receive: Receive) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            self.perform(
                self.machine.received_bytes() if text is None else self.machine.received(text, time.monotonic())
            )

    def _flow(self) -> None:
        """Something waits to be sent: have it sent, by a task that lasts only as long as something waits."""
        if self._send is None:
            return
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(self._send))
        if self.outbox.code is not None and self._last_moment is None:
            measures.SOCKET_CLOSES.labels(str(self.outbox.code)).inc()
            self._last_moment = clock().later(CLOSE_S, self._end)

    async def _write(self, send: SendMessage) -> None:
        try:
            while (item := self.outbox.take()) is not None:
                if isinstance(item, tuple):
                    code, reason = item
                    await send({"type": "websocket.close", "code": code, "reason": reason})
                    self._end()
                    return
                if self.arrears is not None and self.outbox.has_room:
                    self._settle(self.arrears)
                if isinstance(item, str):
                    await send({"type": "websocket.send", "text": item})
                elif self.frames is not None:
                    self._in_hand = item
                    await self.frames.drained()
                    if self._in_hand is item:  # nobody has taken it back meanwhile
                        self.frames.write(item.frames())
                    self._in_hand = None
                else:
                    for text in item.texts():
                        await send({"type": "websocket.send", "text": text})
        except Exception as error:  # noqa: BLE001  whatever a server raises when its client is gone
            log.debug("a client went away while it was sent to", error=type(error).__name__)
            self._end()
        else:
            self._writer = None

    def _end(self) -> None:
        """Stop to read: the close was sent, could not be sent in time, or nobody is there."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()

    def _init_due(self) -> None:
        limits = self.machine.limits
        self.perform(self.machine.init_timed_out())
        self._alarm = clock().later(max(0.0, limits.anonymous_lifetime_s - limits.init_timeout_s), self._introduced)

    def _introduced(self) -> None:
        self.perform(self.machine.nobody_timed_out())
        self._alarm = clock().later(REVALIDATE_S, self._lapsed)

    def _lapsed(self) -> None:
        self._chore(self.revalidate())
        self._alarm = clock().later(REVALIDATE_S, self._lapsed)

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def perform(self, effects: list[Effect]) -> None:
        """Do what the machine says."""
        for effect in effects:
            match effect:
                case Send(text):
                    self.send(text)
                case Close(code, reason):
                    self.outbox.close(code, reason)
                case Authenticate(payload):
                    self._chore(self._authenticate(payload))
                case Start(id_, payload):
                    task = asyncio.create_task(self._operate(id_, payload))
                    self._tasks[id_] = task
                    task.add_done_callback(lambda done, id_=id_: self._forget(id_, done))  # type: ignore[misc]
                case Stop(id_):
                    if self.arrears is not None:
                        self.arrears.forget(orjson.dumps(id_))
                    task_to_stop = self._tasks.pop(id_, None)
                    if task_to_stop is not None:
                        task_to_stop.cancel()

    def _forget(self, id_: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(id_) is task:
            del self._tasks[id_]

    @property
    def unsent(self) -> int:
        """How many messages wait to be sent."""
        return len(self.outbox)

    def push(self, batch: Batch, id_: bytes) -> bool:
        """Send a window's updates of an operation: at once where nothing waits and the client reads, else in order.

        Returns False when they were left out, because the client has not read for too long; it will be told so.
        """
        frames = self.frames
        if self.arrears is not None and id_ in self.arrears.gaps:
            self.arrears.leave_out(id_, batch)
            return False
        if frames is not None and self.outbox.idle and not frames.paused:
            frames.write(batch.frames(id_))
            return True
        try:
            self.outbox.put(Ready(batch, id_))
        except Overflow:
            self._leave_out(id_, batch)
            return False
        return True

    def send(self, text: str) -> None:
        """Send a message of the protocol, at once where nothing waits; a client that has not read for too long is cut off."""
        if self.frames is not None and self.outbox.idle and not self.frames.paused:
            payload = text.encode()
            self.frames.write(frame_header(len(payload)) + payload)
            return
        try:
            self.outbox.put(text)
        except Overflow:
            self._too_slow()

    def _leave_out(self, id_: bytes, batch: Batch) -> None:
        """Leave updates out for which there is no room, and give the client a while to catch up."""
        if self.arrears is None:
            self.arrears = Arrears()
        if not self.arrears.leave_out(id_, batch):
            return
        if self.arrears.too_often:
            self._too_slow()
        else:
            clock().later(SLOW_S, partial(self._still_behind, self.arrears.episode))

    def _still_behind(self, episode: int) -> None:
        """Close the connection of a client that has not caught up in time."""
        if self.arrears is not None and self.arrears.gaps and self.arrears.episode == episode:
            self._too_slow()

    def _settle(self, arrears: Arrears) -> None:
        """The client reads again: tell it what it misses, and the newest."""
        with suppress(Overflow):  # then the rest is told when there is room again
            for text in arrears.settle():
                self.outbox.put(text)

    def _too_slow(self) -> None:
        """Say what is missing in place of all that waits, and close."""
        arrears, in_hand = self.arrears or Arrears(), self._in_hand
        self._in_hand = None
        unsent = [*([in_hand] if in_hand is not None else []), *self.outbox.abandon()]
        with suppress(Overflow):  # the close says it all the same
            for text in arrears.last_words(unsent):
                self.outbox.put(text)
        self.outbox.close(CloseCode.TRY_AGAIN_LATER, "Too slow: resume with since = the last eventId received")
        self.perform([e for e in self.machine.shut(CloseCode.TRY_AGAIN_LATER, "Too slow") if isinstance(e, Stop)])

    # -- who ------------------------------------------------------------------------------------------------------

    async def _authenticate(self, payload: Mapping[str, Any]) -> None:
        self.arrival = arrivals.of_socket(self.arrival, payload)
        try:
            passage = await threads.run_outside(
                pipeline.walk, pipeline.Passage(self.arrival, Context()), pipeline.ON_CONNECT
            )
        except IgError as error:
            self.perform(self.machine.refuse(error.message[:100]))
            return
        except AWAY as error:
            self.perform(self.machine.shut(CloseCode.TRY_AGAIN_LATER, database_away(error).message))
            return
        except Exception:
            log.exception("connection_init failed")
            self.perform(self.machine.shut(CloseCode.INTERNAL, "Internal error"))
            return
        self.ctx = passage.ctx
        self.perform(self.machine.acknowledge(anonymous=self.ctx.actor.kind is ActorKind.ANONYMOUS))

    async def revalidate(self) -> None:
        """Look at the caller anew: end the connection of one who is no longer allowed, or allowed otherwise.

        Several who ask at once share one look, which begins after all of them asked: one that runs already may have
        read what stood before.
        """
        if self.machine.anonymous or self.outbox.closing:
            return
        if self._next_check is None:
            self._next_check = asyncio.create_task(self._check_after(self._checking))
        await asyncio.shield(self._next_check)

    async def _check_after(self, running: "asyncio.Task[None] | None") -> None:
        if running is not None:
            await asyncio.wait({running})
        self._checking, self._next_check = self._next_check, None
        await self._check()

    async def _check(self) -> None:
        try:
            passage = await threads.run_outside(pipeline.look_again, self.arrival)
        except IgError as error:
            self._access_ended(error)
            return
        except Exception:
            # It cannot be found out now whether the caller may still be here: then it may not.
            log.exception("a caller cannot be looked at anew", request_id=self.arrival.request_id)
            self._cut(SERVICE_RESTART, "Connect again")
            return
        self._compare(passage.ctx)

    def _access_ended(self, error: IgError) -> None:
        code = CloseCode.UNAUTHORIZED if isinstance(error, Unauthenticated) else CloseCode.FORBIDDEN
        self._cut(int(code), "Access has ended")

    def _compare(self, now: Context) -> bool:
        """Return whether the caller may still be here, and as before; end the connection when not."""
        if now.actor.kind is ActorKind.ANONYMOUS:
            self._cut(int(CloseCode.UNAUTHORIZED), "Access has ended")
            return False
        if _standing(now) != _standing(self.ctx):
            self._cut(SERVICE_RESTART, "Your permissions have changed: connect again")
            return False
        return True

    def broken(self) -> None:
        """An update could not be made: have the client come back and resume."""
        self._cut(int(CloseCode.INTERNAL), "An update could not be made: resume with since")

    def take_leave(self) -> None:
        """The process ends: have the client come back, each at another moment."""
        spread_s = float(conf.get()["IG_DRAIN_S"])
        clock().later(spread_s * _chance.random(), partial(self._leave, time.monotonic() + spread_s, spread_s))

    def _leave(self, latest: float, spread_s: float) -> None:
        """Close after what waits to be sent; give operations that run until `latest` to be answered."""
        if self._executing and time.monotonic() < latest:
            clock().later(LEAVE_S, partial(self._leave, latest, spread_s))
            return
        reason = f"Server restarts: come back; retry-after-ms={_chance.randint(0, int(spread_s * 1_000))}"
        self.outbox.close(SERVICE_RESTART, reason)
        self.perform([e for e in self.machine.shut(CloseCode.GOING_AWAY, reason) if isinstance(e, Stop)])

    def _cut(self, code: int, reason: str) -> None:
        """End the connection now; what waits to be sent is not sent any more."""
        self._in_hand = None
        self.outbox.close(code, reason, at_once=True)
        self.perform([e for e in self.machine.shut(CloseCode.FORBIDDEN, reason) if isinstance(e, Stop)])

    # -- operations -----------------------------------------------------------------------------------------------

    async def _operate(self, id_: str, payload: Mapping[str, Any]) -> None:
        try:
            try:
                passage = await threads.run_outside(pipeline.admit, self.arrival)
            except RateLimited:
                raise
            except IgError as error:
                self._access_ended(error)
                return
            if not self._compare(passage.ctx):
                return
            prepared = await self.engine.prepare(from_map(dict(payload)), self.ctx)
            if isinstance(prepared, Outcome):
                self.perform(self.machine.failed(id_, prepared.errors))
            elif is_subscription(prepared.operation):
                await self._subscription(id_, prepared, payload)
            else:
                await self._execute(id_, prepared)
        except BadRequest as bad:
            self.perform(self.machine.failed(id_, [{"message": bad.message, "extensions": {"code": "BAD_USER_INPUT"}}]))
        except IgError as error:
            self.perform(self.machine.failed(id_, [format_refusal(error)]))
        except AWAY as error:
            self.perform(self.machine.failed(id_, [format_refusal(database_away(error))]))
        except Exception:
            log.exception("operation failed", request_id=self.arrival.request_id)
            self.perform(
                self.machine.failed(
                    id_,
                    [
                        {
                            "message": f"An internal error happened; tell us request {self.arrival.request_id}",
                            "extensions": {"code": "INTERNAL"},
                        }
                    ],
                )
            )

    async def _execute(self, id_: str, prepared: Prepared) -> None:
        """Run a query or mutation and answer it."""
        self._executing += 1
        try:
            outcome = await self.engine.execute(prepared, Call.of(self.ctx, "ws"))
        finally:
            self._executing -= 1
        if outcome.ran:
            self.perform(self.machine.next(id_, outcome.payload()))
            self.perform(self.machine.completed(id_))
        else:
            self.perform(self.machine.failed(id_, outcome.errors))

    async def _subscription(self, id_: str, prepared: Prepared, payload: Mapping[str, Any]) -> None:
        with spans.subscribing(payload, prepared, self.ctx, self.arrival.request_id) as span:
            source = self.engine.subscribe(prepared, Call.of(self.ctx, "ws"))
            if isinstance(source, Outcome):
                spans.refuse(span, str(source.errors[0]["extensions"]["code"]))
                self.perform(self.machine.failed(id_, source.errors))
                return
            if not isinstance(source, (Source, State)):
                raise Forbidden("this subscription has no source")
            span.set_attribute("ig.subscription.field", source.field)
            member = Subscription(self, id_, source.field)
            seated = states.silent(source) if isinstance(source, State) else source
            shape = Shape(self.engine, prepared, self.ctx, seated)
            ticket = await hub().join(shape_key(prepared, self.ctx), shape, member)
            begun, began = span.get_span_context(), time.monotonic()
        measures.SUBSCRIPTIONS.labels(source.field).inc()
        try:
            if isinstance(source, State):
                await states.follow(source, self.engine, prepared, self.ctx, member)
                self.perform(self.machine.completed(id_))
            else:
                # Until the client completes it or the connection ends: then it is cancelled.
                await asyncio.get_running_loop().create_future()
        finally:
            measures.SUBSCRIPTIONS.labels(source.field).dec()
            hub().leave(ticket)
            spans.unsubscribed(begun, source.field, str(source.tenant_id), time.monotonic() - began)


def _standing(ctx: Context) -> tuple[object, ...]:
    """Return what of a caller decides what a connection may do and see."""
    return ctx.actor.ref, ctx.tenant_id, ctx.roles, ctx.scopes, ctx.platform_roles


class Subscription:
    """One subscription of a connection, as the hub sees it."""

    __slots__ = ("connection", "count", "id", "id_json")

    def __init__(self, connection: Connection, id_: str, field: str) -> None:
        self.connection, self.id = connection, id_
        self.id_json = orjson.dumps(id_)
        self.count = tally(measures.DELIVERIES.labels(field))

    @property
    def sender(self) -> Connection:
        """Its connection."""
        return self.connection

    def offer(self, change: Change, payload: str) -> None:
        """Send an update to the client, unless the operation has ended."""
        self.push(Batch([(change, payload)]))

    def tell(self, payload: str) -> None:
        """Send a state to the client, unless the operation has ended."""
        if self.id in self.connection.machine.operations:
            self.connection.send(f'{{"id":{self.id_json.decode()},"type":"next","payload":{payload}}}')
            self.count.inc()

    def push(self, batch: Batch) -> None:
        """Send the updates of a window to the client, unless the operation has ended."""
        if self.id in self.connection.machine.operations and self.connection.push(batch, self.id_json):
            self.count.inc(len(batch))

    async def room(self) -> None:
        """Wait until the connection has sent enough of what waits. Raises Unavailable when its client does not read."""
        if self.connection.outbox.has_room:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.connection.outbox.room()
        except TimeoutError:
            raise Unavailable(
                "the updates that were missed are not being read", mend="read faster, then resume"
            ) from None

    async def revalidate(self) -> None:
        """Look at the caller anew."""
        await self.connection.revalidate()

    def broken(self) -> None:
        """End the connection, so that its client resumes."""
        self.connection.broken()
