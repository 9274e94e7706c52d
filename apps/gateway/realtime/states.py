"""Subscriptions to a state: how something stands (a job, the use of limits), not what happened to it.

A state is read, never replayed: who comes gets what stands, then whatever of it differs from what it was told; what lay
between two readings is passed over. Followers of one state share its readings, of which at most one is made in `every_s` seconds.
Before anything is told the caller is looked at anew and policy is asked again, so what ended its access is in force.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from apps.core.context import Context, service_context
from apps.core.errors import IgError, NotFound
from apps.core.telemetry import get_logger
from apps.gateway import threads
from apps.gateway.answers import encode
from apps.gateway.call import Call
from apps.gateway.engine import Engine, Prepared
from apps.gateway.realtime.hub import hub
from apps.gateway.realtime.shapes import Member, Source, shape_key
from apps.policy import services as policy

log = get_logger(__name__)

LONGEST_REST_S = 15.0  # a state that rests is looked at so often, should nothing wake it
LONGEST_TROUBLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a state, told by itself when `value` differs. One that is `settled` will not change any more."""

    id: str
    value: Any
    settled: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a subscription field follows. `read` blocks and runs in the tenant's scope; states of one `key` are one.

    `action` is asked before each telling. Pauses grow from `every_s` to `slowest_s` while nothing differs; a state all
    of whose parts are settled rests until a record's type begins with one of `wakes`. With `ends` the subscription is
    complete once every part is settled.
    """

    tenant_id: UUID
    field: str
    action: str
    key: Hashable
    read: Callable[[Context], Sequence[Part]]
    every_s: float
    wakes: tuple[str, ...] = ()
    slowest_s: float = LONGEST_REST_S
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """The root value of one telling: the part's value, for the field's resolver to shape."""

    value: Any


class Listener(Member, Protocol):
    """A member that can be told a state."""

    def tell(self, payload: str) -> None:
        """Take a part of the state, already encoded. Must not block."""


@dataclass(slots=True, eq=False)
class _Follower:
    """One subscription: what it was told of each part, and how it ends."""

    member: Listener
    engine: Engine
    prepared: Prepared
    ctx: Context
    over: "asyncio.Future[None]"
    told: dict[str, Any] = field(default_factory=dict)

    def fail(self, error: Exception) -> None:
        """End the subscription with an error."""
        if not self.over.done():
            self.over.set_exception(error)

    async def take(self, state: State, parts: Sequence[Part], made: "dict[Hashable, str]") -> None:
        """Be told what differs. `made` keeps what was encoded for others of the same selection and sight."""
        news = [part for part in parts if self.told.get(part.id) != part.value]
        if news and not self.over.done():
            await self.member.revalidate()
            policy.require(self.ctx, state.action)
            key = shape_key(self.prepared, self.ctx)
            for part in news:
                text = made.get((key, part.id))
                if text is None:
                    outcome = await self.engine.execute(self.prepared, Call.of(self.ctx, "ws"), Told(part.value))
                    payload = outcome.payload()
                    payload.pop("extensions", None)
                    text = made[key, part.id] = encode(payload).decode()
                self.member.tell(text)
                self.told[part.id] = part.value
        # A part that is gone would be news if it came back.
        present = {part.id for part in parts}
        self.told = {id_: value for id_, value in self.told.items() if id_ in present}
        if state.ends and all(part.settled for part in parts) and not self.over.done():
            self.over.set_result(None)


class Watch:
    """One state of one tenant, read while anyone follows it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.ctx = service_context("live", tenant_id=state.tenant_id)
        self.followers: set[_Follower] = set()
        self.woken = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def heard(self, record_type: str) -> None:
        """A record was numbered."""
        if self.followers and record_type.startswith(self.state.wakes):
            self.woken.set()

    async def run(self) -> None:
        """Read and tell, until cancelled."""
        before: Sequence[Part] | None = None
        pause_s = self.state.every_s
        while True:
            self.woken.clear()
            try:
                parts = await threads.run(self.ctx, self.state.read, self.ctx)
            except NotFound as error:
                for follower in list(self.followers):
                    follower.fail(error)
                return
            except Exception as error:  # noqa: BLE001  a state outlives a store that is away
                log.warning("a state cannot be read", field=self.state.field, error=repr(error))
                pause_s = min(LONGEST_TROUBLE_S, pause_s * 2)
            else:
                pause_s = self._pause(parts, before, pause_s)
                before = parts
                await self._tell(parts)
            # Never more often than every_s, whoever wakes it; within that, as soon as something does.
            await asyncio.sleep(self.state.every_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause_s - self.state.every_s)):
                    await self.woken.wait()

    def _pause(self, parts: Sequence[Part], before: Sequence[Part] | None, pause_s: float) -> float:
        if all(part.settled for part in parts):
            return LONGEST_REST_S
        if before is None or list(parts) != list(before):
            return self.state.every_s
        return min(self.state.slowest_s, pause_s * 2)

    async def _tell(self, parts: Sequence[Part]) -> None:
        made: dict[Hashable, str] = {}
        followers = list(self.followers)
        ends = await asyncio.gather(
            *(follower.take(self.state, parts, made) for follower in followers), return_exceptions=True
        )
        for follower, end in zip(followers, ends, strict=True):
            if isinstance(end, Exception):
                if not isinstance(end, IgError):
                    log.error("a state cannot be shown", field=self.state.field, exc_info=end)
                follower.fail(end)


_watches: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Watch]]" = WeakKeyDictionary()


def silent(state: State) -> Source:
    """Return a source of no changes: by it a state's member sits in its tenant's feed as every other, so that what ends
    its caller's access is heard at once."""
    return Source(state.tenant_id, state.field, lambda change: False)


async def follow(state: State, engine: Engine, prepared: Prepared, ctx: Context, member: Listener) -> None:
    """Tell a member, which sits in the tenant's feed, a state until it is complete or this is cancelled.

    Raises what reading it raises (NotFound), and Forbidden, StepUpRequired once policy refuses.
    """
    loop = asyncio.get_running_loop()
    watches = _watches.setdefault(loop, {})
    key = (state.tenant_id, state.key)
    watch = watches.setdefault(key, Watch(state))
    follower = _Follower(member, engine, prepared, ctx, loop.create_future())
    try:
        watch.followers.add(follower)
        hub().listen(state.tenant_id, watch.heard)
        watch.woken.set()
        if watch.task is None or watch.task.done():
            watch.task = asyncio.create_task(watch.run())
        await follower.over
    finally:
        watch.followers.discard(follower)
        if not watch.followers and watches.get(key) is watch:
            del watches[key]
            hub().unlisten(state.tenant_id, watch.heard)
            if watch.task is not None:
                watch.task.cancel()
