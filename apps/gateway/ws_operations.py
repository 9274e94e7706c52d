"""The operations of a connection: each is admitted anew, prepared, then answered once or subscribed."""

import asyncio
import time
from collections.abc import Hashable, Mapping
from typing import Any

import orjson

from apps.core.errors import Forbidden, IgError
from apps.core.telemetry import get_logger
from apps.gateway import deliveries, measures, pipeline, threads
from apps.gateway.answers import Outcome
from apps.gateway.away import TROUBLE, refusal_of
from apps.gateway.call import Call
from apps.gateway.documents import is_subscription
from apps.gateway.engine import Engine, Prepared
from apps.gateway.graphql_errors import format_refusal
from apps.gateway.parameters import BadRequest, from_map
from apps.gateway.realtime import spans, states
from apps.gateway.realtime.accounts import Account
from apps.gateway.realtime.hub import hub
from apps.gateway.realtime.numbering import asked_for as numbers_asked_for
from apps.gateway.realtime.shapes import Shape, Source, shape_key
from apps.gateway.realtime.states import State
from apps.gateway.ws_book import Book
from apps.gateway.ws_guard import ENDED, GuardedLine
from apps.gateway.ws_protocol import Phase, SocketLimits
from apps.gateway.ws_server import Frames
from apps.gateway.ws_subscription import Subscription

log = get_logger(__name__)


class OperatedLine(GuardedLine):
    """A guarded line that runs operations. `executing` counts queries and mutations that have not been answered yet."""

    __slots__ = ("engine", "executing")

    def __init__(self, engine: Engine, limits: SocketLimits, frames: Frames | None, arrival: pipeline.Arrival) -> None:
        super().__init__(limits, frames, arrival)
        self.engine = engine
        self.executing = 0

    def start(self, id_: str, payload: Mapping[str, Any]) -> None:
        """Run the operation that a payload describes, under this id."""
        if self.book is not None:
            self.book.reuse(id_)
        task = asyncio.create_task(self._operate(id_, payload))
        self.tasks[id_] = task
        task.add_done_callback(lambda done: self._forget(id_, done))

    def stop(self, id_: str) -> None:
        """The client wants no more of an operation, or the connection ends."""
        if self.book is not None:
            self.book.end(id_, *self._ending())
        if self.arrears is not None:
            self.arrears.forget(orjson.dumps(id_))
        task = self.tasks.pop(id_, None)
        if task is not None:
            task.cancel()

    def _ending(self) -> tuple[str, int | None, str]:
        """Return who ends what runs now, with which code of a close, and why."""
        close = self.outbox.close_said
        if close is not None:
            return "server", *close
        return "client", None, "connection lost" if self.machine.phase is Phase.CLOSED else "complete"

    def _forget(self, id_: str, task: "asyncio.Task[None]") -> None:
        if self.tasks.get(id_) is task:
            del self.tasks[id_]

    async def _operate(self, id_: str, payload: Mapping[str, Any]) -> None:
        try:
            try:
                passage = await threads.run_outside(pipeline.admit, self.arrival)
            except ENDED as error:
                self.access_ended(error)
                return
            if not self.compare(passage.ctx):
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
            self._refuse(id_, error)
        except TROUBLE as error:
            self._refuse(id_, refusal_of(error))
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

    def _refuse(self, id_: str, error: IgError) -> None:
        """Tell the client why its operation ends, and under which id the account of what it was handed is kept."""
        refusal = format_refusal(error)
        account = self.book.find(id_) if self.book is not None else None
        if account is not None:
            refusal["extensions"]["account"] = account.terms.account_id
        self.perform(self.machine.failed(id_, [refusal]))

    async def _execute(self, id_: str, prepared: Prepared) -> None:
        """Run a query or mutation and answer it."""
        self.executing += 1
        try:
            outcome = await self.engine.execute(prepared, Call.of(self.ctx, "ws", self.book))
        finally:
            self.executing -= 1
        if outcome.ran:
            self.perform(self.machine.next(id_, outcome.payload()))
            self.perform(self.machine.completed(id_))
        else:
            self.perform(self.machine.failed(id_, outcome.errors))

    async def _subscription(self, id_: str, prepared: Prepared, payload: Mapping[str, Any]) -> None:
        try:
            numbering = numbers_asked_for(payload)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        wanted = deliveries.asked_for(payload)
        with spans.subscribing(payload, prepared, self.ctx, self.arrival.request_id) as span:
            source = self.engine.subscribe(prepared, Call.of(self.ctx, "ws"))
            if isinstance(source, Outcome):
                spans.refuse(span, str(source.errors[0]["extensions"]["code"]))
                self.perform(self.machine.failed(id_, source.errors))
                return
            if not isinstance(source, (Source, State)):
                raise Forbidden("this subscription has no source")
            span.set_attribute("ig.subscription.field", source.field)
            member = Subscription(self, id_, source.field, numbering)
            seated = states.silent(source) if isinstance(source, State) else source
            shape = Shape(self.engine, prepared, self.ctx, seated)
            key: Hashable = shape_key(prepared, self.ctx)
            account = None
            if wanted:
                key, shape.names_events = (key, "events named"), True
                account = self._open_account(id_, prepared, source, numbering.last if numbering else 0)
            try:
                ticket = await hub().join(key, shape, member)
            except BaseException as error:
                self._end_account(id_, str(getattr(error, "code", "INTERNAL")))
                raise
            if account is not None and self.book is not None:
                account.after = None if isinstance(source, State) else ticket.began.event_id
                self.book.ping()  # tells the client which account is kept, too
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
            self._end_account(id_, "the operation has ended")
            hub().leave(ticket)
            spans.unsubscribed(begun, source.field, str(source.tenant_id), time.monotonic() - began)

    def _open_account(self, id_: str, prepared: Prepared, source: Source | State, after: int) -> Account:
        if self.book is None:
            self.book = Book(self, source.tenant_id)
        account = Account(deliveries.terms(self.engine, prepared, self.ctx, id_, source, after))
        self.book.open(account)
        return account

    def _end_account(self, id_: str, reason: str) -> None:
        if self.book is not None:
            self.book.end(id_, "server", None, reason)
