"""One tenant's live feed in this process: follows the topic, fills holes from PostgreSQL, hands changes to shapes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from uuid import UUID

from apps.core.context import service_context
from apps.core.telemetry import get_logger
from apps.gateway import measures, threads
from apps.gateway.realtime import reading
from apps.gateway.realtime.batches import Flusher
from apps.gateway.realtime.handing import Handing
from apps.gateway.realtime.pacing import Pacer
from apps.gateway.realtime.shapes import Member, Shape
from apps.gateway.realtime.wire import Change, Cursor, Stretch, Tail, decode
from apps.gateway.waiting import Gate
from apps.quotas import services as quotas
from apps.quotas.selectors import limit_now
from apps.quotas.types import Limit, Measure

log = get_logger(__name__)

SUBSCRIBE_S = 1.0
POLL_S = 2.0  # with no message for so long, ask PostgreSQL whether one was lost
LATE_S = 0.05  # how long a message of the platform's topic may come after one that follows it
LIMITS_S = 10.0  # limits also change by time, which no record tells
LIMITS = ("quotas.", "tenants.")  # records of these apps may change a limit
NARROW = Limit(1.0, 1)  # until the tenant's own has been read
TURN = 16  # changes handed on before others get a turn of the event loop
MAX_WAITING = 2_000  # messages; more are dropped at once and read from PostgreSQL in larger pieces

# Records of these apps may change what a connection is allowed; its caller is looked at anew before the next push.
WATCHED = ("identity.", "tenants.", "policy.", "vault.key")
HARMLESS = frozenset(
    {"identity.session.started", "identity.session.refused", "identity.user.created", "identity.apikey.created"}
)


class Feed:
    """Follows one tenant. `follow` runs as a task while anyone holds the feed."""

    def __init__(self, tenant_id: UUID, flusher: Flusher, pacer: Pacer | None = None) -> None:
        """`pacer` has the tenant's buckets where it was followed before."""
        self.tenant_id = tenant_id
        self.flusher = flusher
        self._handing = Handing(flusher, pacer or Pacer(NARROW, time.monotonic()), self._wake)
        self._limits_until = 0.0
        self.ctx = service_context("live", tenant_id=tenant_id)
        self.shapes: dict[Hashable, Shape] = {}
        self._of_many: dict[Hashable, Shape] = {}  # those that look at every change
        self._of_one: dict[str, dict[Hashable, Shape]] = {}  # by what they ask for
        self.watchers: set[Member] = set()
        self.listeners: set[Callable[[str], None]] = set()
        """Called with the type of each record that is no change of the graph. Must not raise."""
        self.subscribed = asyncio.Event()
        self.ready = asyncio.Event()
        self._tail: Tail | None = None
        self._waiting: deque[bytes] = deque()
        self._woken = asyncio.Event()
        self._must_read = False
        self.platform: Feed | None = None  # the platform's own, while anyone holds this one; None for itself
        self._heard = Gate()
        self._number_heard = 0
        self._rests = False  # `follow` waits for something to do
        self._heard_at = 0.0

    @property
    def cursor(self) -> Cursor:
        """The place up to which everything was handed to the shapes. Only after `ready`."""
        if self._tail is None:
            raise RuntimeError("the feed has not begun")
        return self._tail.cursor

    @property
    def pacer(self) -> Pacer:
        """The tenant's buckets."""
        return self._handing.pacer

    def _wake(self) -> None:
        self._woken.set()

    def end(self) -> None:
        """Nobody follows the tenant any more."""
        self._handing.end()

    def shape(self, key: Hashable, make: Shape) -> Shape:
        """Return the shape of that key; `make`, when it is the first."""
        found = self.shapes.setdefault(key, make)
        if found is make:
            wanted = make.source.ref_id
            (self._of_many if wanted is None else self._of_one.setdefault(wanted, {}))[key] = make
        return found

    def drop(self, key: Hashable) -> None:
        """Forget a shape."""
        gone = self.shapes.pop(key)
        self._handing.forget(gone)
        self._of_many.pop(key, None)
        wanted = gone.source.ref_id
        if wanted is not None:
            of_it = self._of_one.get(wanted, {})
            of_it.pop(key, None)
            if not of_it:
                self._of_one.pop(wanted, None)

    def _asked(self, change: Change) -> list[Shape]:
        """Return the shapes that may want a change."""
        found = list(self._of_many.values())
        of_it = self._of_one.get(change.ref_id)
        if of_it:
            found += of_it.values()
        return [shape for shape in found if shape.seats]

    @property
    def depth(self) -> int:
        """How many messages wait to be handed on."""
        return len(self._waiting)

    def incoming(self, message: bytes) -> None:
        """A message of the topic came. Where nothing waits before it and nothing has to be waited for, it is handed on at once."""
        if self._rests and not self._waiting and not self._must_read and self._at_once(message):
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self._must_read = True
        else:
            self._waiting.append(message)
        self._woken.set()

    def _at_once(self, message: bytes) -> bool:
        """Hand on a message without waiting for anything. Returns False, and has done nothing, when that cannot be."""
        tail = self._tail
        if tail is None:
            return False
        seen = tail.cursor
        try:
            stretch = decode(message)
            if (
                tail.missing_before(stretch)
                or len(stretch.changes) > TURN
                or _is_watched(stretch)
                or self._ahead(stretch)
            ):
                return False
            wanted = [
                (shape, change)
                for change in tail.take(stretch).changes
                for shape in self._asked(change)
                if shape.wants(change)
            ]
            made = [(shape, change, shape.text(change)) for shape, change in wanted]
        except Exception:  # noqa: BLE001  the longer way meets it again, and says what is to be said
            tail.cursor = seen
            return False
        if any(text is None for _, _, text in made) or not self._handing.at_once(wanted):
            tail.cursor = seen
            return False
        for shape, change, text in made:
            if text is not None:
                self._handing.put(shape, change, text)
        self._look_at_limits(stretch)
        self._tell_listeners(stretch)
        self._note_heard()
        return True

    def _tell_listeners(self, stretch: Stretch) -> None:
        for notice in stretch.notices:
            for listener in list(self.listeners):
                listener(notice.type)

    def _note_heard(self) -> None:
        """Everything up to the cursor was handed on."""
        self._heard_at = time.monotonic()
        self._number_heard = self.cursor.number
        if not self._heard.is_set():
            self._heard.set()

    def _ahead(self, stretch: Stretch) -> bool:
        """Return whether the platform's feed has still to hear of something that was committed before these changes."""
        return self.platform is not None and stretch.platform > self.platform._number_heard

    async def _hear_platform(self, number: int) -> None:
        """Wait until the platform's feed has heard of everything up to a record of its own; have it read what does not
        come at once."""
        while (platform := self.platform) is not None and platform._number_heard < number:
            platform._heard.clear()
            try:
                async with asyncio.timeout(LATE_S):
                    await platform._heard.wait()
            except TimeoutError:
                platform.reconnected()

    def listening(self) -> None:
        """Redis hands on the topic's messages from now on; what was said before may be missing."""
        self.subscribed.set()
        if self._tail is not None:
            self.reconnected()

    def reconnected(self) -> None:
        """The connection to Redis was lost and is back: messages may be missing."""
        self._must_read = True
        self._woken.set()

    async def follow(self) -> None:
        """Hand on what happens, until cancelled. The topic must be subscribed before: the start is read after it."""
        failures = 0
        while True:
            try:
                if self._tail is None:
                    await self._await_topic()
                    self._tail = Tail(await threads.run(self.ctx, reading.head, self.tenant_id))
                    self._note_heard()
                    await self._read_limits()
                    self.ready.set()
                await self._step()
                failures = 0
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  a feed outlives a database that is away; it tries again and catches up
                failures += 1
                measures.RETRIES.labels("feed").inc()
                log.warning("feed stumbled", tenant=str(self.tenant_id), error=repr(error), failures=failures)
                self._must_read = True
                await asyncio.sleep(min(5.0, 0.05 * 2**failures))

    async def _await_topic(self) -> None:
        """Wait until the topic is subscribed; without Redis, begin all the same and read from PostgreSQL."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_S):
                await self.subscribed.wait()

    async def _step(self) -> None:
        woken = await self._rest()
        if time.monotonic() >= self._limits_until:
            await self._read_limits()
        if not woken:
            if time.monotonic() - self._heard_at >= POLL_S:
                await self._catch_up("poll")
            return
        self._woken.clear()
        if self._handing.is_due:
            await self._handing.pay()
        if self._must_read:
            self._must_read = False
            await self._catch_up("reconnect")
        while self._waiting:
            stretch = decode(self._waiting.popleft())
            if self._tail is not None and self._tail.missing_before(stretch):
                await self._catch_up("gap")
            if self._tail is not None and not self._tail.missing_before(stretch):
                await self._hand_on(self._tail.take(stretch))

    async def _read_limits(self) -> None:
        """Go by the tenant's present limit, and show what is left of it."""
        limit = await threads.run(self.ctx, limit_now, self.tenant_id, Measure.DELIVERIES)
        now_s = time.monotonic()
        self._limits_until = now_s + LIMITS_S
        self.pacer.change_limit(limit, now_s)
        if self.pacer.left(now_s) < limit.burst:
            left = self.pacer.left(now_s)
            await threads.run(self.ctx, quotas.show_left, self.tenant_id, Measure.DELIVERIES, limit, left)

    def _look_at_limits(self, stretch: Stretch) -> None:
        """Read the tenant's limit before what comes next, where a record says that it may be another."""
        if any(notice.type.startswith(LIMITS) for notice in stretch.notices):
            self._limits_until = 0.0
            self._woken.set()

    async def _rest(self) -> bool:
        """Wait for something to do. Returns False when nothing was for POLL_S, or all could be done at once."""
        self._rests = True
        try:
            async with asyncio.timeout(POLL_S):
                return await self._woken.wait()
        except TimeoutError:
            return False
        finally:
            self._rests = False

    async def _catch_up(self, cause: str) -> None:
        """Read from PostgreSQL what follows the cursor, to the end."""
        while self._tail is not None:
            found = await threads.run(self.ctx, reading.read_after, self.tenant_id, self._tail.cursor)
            if not found:
                return
            measures.GAPS.labels(cause).inc()
            for stretch in found:
                await self._hand_on(self._tail.take(stretch))

    async def _hand_on(self, stretch: Stretch) -> None:
        """Hand on a stretch. It is behind the cursor already, so nothing here may raise: what cannot be told to some
        ends their connections, who then resume, and the others go on."""
        await self._hear_platform(stretch.platform)
        self._look_at_limits(stretch)
        if _is_watched(stretch):
            await asyncio.gather(*(member.revalidate() for member in list(self.watchers)), return_exceptions=True)
        self._tell_listeners(stretch)
        for place, change in enumerate(stretch.changes):
            if place % TURN == 0:
                await asyncio.sleep(0)  # let connections send what they were handed
            for shape in self._asked(change):
                await self._handing.tell(shape, change)
            if self._handing.is_due:
                await self._handing.pay()
        self._note_heard()


def _is_watched(stretch: Stretch) -> bool:
    """Return whether it may change what connections are allowed."""
    return any(n.type.startswith(WATCHED) and n.type not in HARMLESS for n in stretch.notices)
