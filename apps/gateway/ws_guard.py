"""Who is at the other end of a connection, and whether they may still be: looked at on connect and ever anew."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden, IgError, Misdirected, NotFound, StepUpRequired, Unauthenticated, Unavailable
from apps.core.kept import fresh
from apps.core.telemetry import get_logger
from apps.gateway import arrivals, pipeline, threads
from apps.gateway.away import TROUBLE, refusal_of
from apps.gateway.waiting import Alarm, clock
from apps.gateway.ws_ending import Ending, ending_of
from apps.gateway.ws_line import Line
from apps.gateway.ws_protocol import CloseCode, SocketLimits
from apps.gateway.ws_server import Frames
from apps.gateway.ws_strangers import Place

log = get_logger(__name__)

SERVICE_RESTART = 1012
SOON_S = 120.0  # looks come more often than that
NOBODY = Context()
ENDED = (Unauthenticated, StepUpRequired, Forbidden, NotFound, Misdirected)
"""What the stages before a door raise when a caller may not be here any more. All else speaks of one request only."""


class GuardedLine(Line):
    """A line with its caller. Blocking work goes to the thread pool."""

    __slots__ = ("_checking", "_chores", "_end_alarm", "_next_check", "arrival", "ctx", "stranger", "tasks")

    def __init__(self, limits: SocketLimits, frames: Frames | None, arrival: pipeline.Arrival) -> None:
        super().__init__(limits, frames)
        self.arrival = arrival
        self.ctx = NOBODY
        self.tasks: dict[str, asyncio.Task[None]] = {}
        """Operations that run, by id."""
        self.stranger: Place | None = None
        self._chores: set[asyncio.Task[None]] = set()
        self._checking: asyncio.Task[None] | None = None
        self._next_check: asyncio.Task[None] | None = None
        self._end_alarm: Alarm | None = None

    def chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Have work of the connection's own done, at most as long as it lasts."""
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def authenticate(self, payload: Mapping[str, Any]) -> None:
        """Find out who calls by what `connection_init` says, and answer it."""
        self.arrival = arrivals.of_socket(self.arrival, payload)
        try:
            self.ctx, self.ending = await threads.run_outside(_first_look, self.arrival)
        except Unavailable as error:
            self.perform(self.machine.shut(CloseCode.TRY_AGAIN_LATER, error.message))
            return
        except IgError as error:
            self.perform(self.machine.refuse(error.message))
            return
        except TROUBLE as error:
            self.perform(self.machine.shut(CloseCode.TRY_AGAIN_LATER, refusal_of(error).message))
            return
        except Exception:
            log.exception("connection_init failed")
            self.perform(self.machine.shut(CloseCode.INTERNAL, "Internal error"))
            return
        self._watch()
        anonymous = self.ctx.actor.kind is ActorKind.ANONYMOUS
        if not anonymous:
            self.known()
        self.perform(self.machine.acknowledge(anonymous=anonymous))

    def known(self) -> None:
        """It is no stranger's any more, or nobody's."""
        place, self.stranger = self.stranger, None
        if place is not None:
            place.leave()

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
        """Look at the caller. When it cannot be found out now whether they may still be here, then they may not."""
        try:
            now, ending = await threads.run_outside(_second_look, self.arrival)
        except ENDED as error:
            self.access_ended(error)
            return
        except Unavailable as error:
            self.cut(int(CloseCode.TRY_AGAIN_LATER), error.message)
            return
        except TROUBLE as error:
            self.cut(int(CloseCode.TRY_AGAIN_LATER), refusal_of(error).message)
            return
        except Exception:
            log.exception("a caller cannot be looked at anew", request_id=self.arrival.request_id)
            self.cut(SERVICE_RESTART, "Connect again")
            return
        if self.compare(now):
            self._keep(ending)

    def _keep(self, ending: Ending | None) -> None:
        """Go by another end; the same end stays where the steady clock had it."""
        if ending is None or self.ending is None or ending.at != self.ending.at or ending.code != self.ending.code:
            self.ending = ending
        self._watch()

    def _watch(self) -> None:
        """Have an end noticed that comes before the next look, should nothing be sent meanwhile."""
        if self._end_alarm is not None:
            self._end_alarm.cancel()
            self._end_alarm = None
        if self.ending is not None and self.ending.left_s <= SOON_S:
            self._end_alarm = clock().later(self.ending.left_s, self._end_due)

    def _end_due(self) -> None:
        self._end_alarm = None
        if not self.ended():
            self._watch()

    def access_ended(self, error: IgError) -> None:
        """End the connection for what `ENDED` names."""
        code = CloseCode.UNAUTHORIZED if isinstance(error, Unauthenticated) else CloseCode.FORBIDDEN
        self.cut(int(code), "Access has ended")

    def compare(self, now: Context) -> bool:
        """Return whether the caller may still be here, and as before; end the connection when not."""
        if now.actor.kind is ActorKind.ANONYMOUS:
            self.cut(int(CloseCode.UNAUTHORIZED), "Access has ended")
            return False
        if _standing(now) != _standing(self.ctx):
            self.cut(SERVICE_RESTART, "Your permissions have changed: connect again")
            return False
        return True

    def broken(self) -> None:
        """An update could not be made: have the client come back and resume."""
        self.cut(int(CloseCode.INTERNAL), "An update could not be made: resume with since")


def _first_look(arrival: pipeline.Arrival) -> tuple[Context, Ending | None]:
    """Return who calls, and when their access ends by time. Raises what the stages raise."""
    ctx = pipeline.walk(pipeline.Passage(arrival, Context()), pipeline.ON_CONNECT).ctx
    return ctx, ending_of(ctx)


def _second_look(arrival: pipeline.Arrival) -> tuple[Context, Ending | None]:
    """Return the same by what stands in the database now."""
    with fresh():
        ctx = pipeline.look_again(arrival).ctx
        return ctx, ending_of(ctx)


def _standing(ctx: Context) -> tuple[object, ...]:
    """Return what of a caller decides what a connection may do and see."""
    return ctx.actor.ref, ctx.tenant_id, ctx.roles, ctx.scopes, ctx.platform_roles
