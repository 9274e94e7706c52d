"""The process's end of live updates: one feed per tenant that anyone follows, held by count; joining and leaving."""

import asyncio
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakKeyDictionary

from apps.core.errors import InvalidInput, Unavailable
from apps.core.scope import PLATFORM_TENANT_ID
from apps.gateway import measures, threads
from apps.gateway.realtime import reading
from apps.gateway.realtime.batches import Flusher
from apps.gateway.realtime.feed import Feed
from apps.gateway.realtime.pacing import Pacer
from apps.gateway.realtime.shapes import Member, Seat, Shape
from apps.gateway.realtime.topics import Topics
from apps.gateway.realtime.wire import Cursor

WINDOW_RECORDS = 100_000
"""How far back a client may resume, in records of its tenant's ledger."""
START_S = 15.0
MAX_PACERS = 10_000


@dataclass(slots=True)
class _Held:
    """A feed, the task that runs it, and how many hold it."""

    feed: Feed
    task: asyncio.Task[None]
    holders: int = 0


@dataclass(slots=True, eq=False)
class Ticket:
    """What `join` gives and `leave` takes back."""

    tenant_id: UUID
    key: Hashable
    seat: Seat
    began: Cursor
    """Behind which place it is handed every change."""
    held: list[UUID] = field(default_factory=list)


class Hub:
    """Feeds of one event loop."""

    def __init__(self) -> None:
        self._feeds: dict[UUID, _Held] = {}
        self._topics = Topics()
        self._flusher = Flusher()
        # The buckets of those who left lately: whoever comes back finds what they left in them.
        self._pacers: dict[UUID, Pacer] = {}

    async def join(self, key: Hashable, make: Shape, member: Member) -> Ticket:
        """Seat a member in the shape of that key (`make`, when it is the first) and return its ticket.

        Where the shape's source says from where on, what the member missed is handed on first. It is handed every
        change behind its start exactly once, in order. Raises InvalidInput for a start that is too old or lies
        ahead, Unavailable when the ledger cannot be read.
        """
        since = make.source.since
        ticket = Ticket(make.source.tenant_id, key, Seat(member, Cursor(0), held=[]), Cursor(0))
        try:
            feed = await self._hold(ticket, make.source.tenant_id)
            platform = await self._hold(ticket, PLATFORM_TENANT_ID)
            live_from = feed.cursor
            if since is not None:
                check_start(since, live_from)
            shape = feed.shape(key, make)
            ticket.seat.seen = ticket.began = since or live_from
            shape.seats.add(ticket.seat)
            feed.platform = platform if platform is not feed else None
            feed.watchers.add(member)
            platform.watchers.add(member)
            # Whatever ended its caller's access before this moment was told to nobody here: look once more, and hand
            # on nothing until then.
            await member.revalidate()
            if since is None and not ticket.seat.overtaken:
                ticket.seat.open(live_from)
            else:
                await self._catch_up(feed, shape, ticket.seat, since or live_from)
        except BaseException:
            self.leave(ticket)
            raise
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give up a seat; a feed that nobody holds any more ends."""
        for tenant_id in ticket.held:
            held = self._feeds.get(tenant_id)
            if held is None:
                continue
            held.feed.watchers.discard(ticket.seat.member)
            shape = held.feed.shapes.get(ticket.key)
            if shape is not None:
                shape.seats.discard(ticket.seat)
                if not shape.seats:
                    held.feed.drop(ticket.key)
            held.holders -= 1
            if held.holders <= 0:
                del self._feeds[tenant_id]
                held.task.cancel()
                held.feed.end()
                self._keep(tenant_id, held.feed.pacer)
                self._topics.drop(held.feed)
        ticket.held.clear()
        measures.FEEDS.set(len(self._feeds))

    def _keep(self, tenant_id: UUID, pacer: Pacer) -> None:
        if len(self._pacers) >= MAX_PACERS:
            self._pacers.clear()
        self._pacers[tenant_id] = pacer

    def followed(self) -> Iterator[tuple[UUID, frozenset[Member], int]]:
        """Yield each tenant that is followed, who follows it, and how many messages wait to be handed on."""
        for tenant_id, held in self._feeds.items():
            yield tenant_id, frozenset(held.feed.watchers), held.feed.depth

    def listen(self, tenant_id: UUID, listener: Callable[[str], None]) -> None:
        """Have a listener told of the records of a tenant whose feed is held, until `unlisten` or the feed's end."""
        held = self._feeds.get(tenant_id)
        if held is not None:
            held.feed.listeners.add(listener)

    def unlisten(self, tenant_id: UUID, listener: Callable[[str], None]) -> None:
        """Tell a listener no more."""
        held = self._feeds.get(tenant_id)
        if held is not None:
            held.feed.listeners.discard(listener)

    async def _hold(self, ticket: Ticket, tenant_id: UUID) -> Feed:
        held = self._feeds.get(tenant_id)
        if held is None:
            feed = Feed(tenant_id, self._flusher, self._pacers.get(tenant_id))
            self._topics.add(feed)
            held = self._feeds[tenant_id] = _Held(feed, asyncio.create_task(feed.follow()))
            measures.FEEDS.set(len(self._feeds))
        held.holders += 1
        ticket.held.append(tenant_id)
        try:
            async with asyncio.timeout(START_S):
                await held.feed.ready.wait()
        except TimeoutError:
            raise Unavailable("live updates cannot begin now", mend="try again in a few seconds") from None
        return held.feed

    async def _catch_up(self, feed: Feed, shape: Shape, seat: Seat, since: Cursor) -> None:
        """Tell a seat what lies behind `since` up to the live end, then open it."""
        place, upto = since, feed.cursor
        await self._replay(shape, seat, place, upto)
        while seat.overtaken:
            # So much came live meanwhile that it was not kept: another piece from the ledger.
            seat.again()
            place, upto = upto, feed.cursor
            await seat.member.revalidate()  # the feed may be about to, with what lies in this piece
            await self._replay(shape, seat, place, upto)
        seat.open(upto)

    async def _replay(self, shape: Shape, seat: Seat, since: Cursor, upto: Cursor) -> None:
        """Hand on what lies behind `since`, up to `upto`, from PostgreSQL, as fast as the member takes it."""
        place = since
        while place < upto:
            found = await threads.run(shape.ctx, reading.read_after, shape.source.tenant_id, place)
            if not found:
                return
            for stretch in found:
                for change in stretch.changes:
                    if change.cursor <= upto and shape.wants(change):
                        payload = await shape.render(change)
                        await seat.member.room()  # before each: several may be catching up on one connection
                        seat.hand_on(change, payload)
                place = stretch.upto


def check_start(since: Cursor, newest: Cursor) -> None:
    """Refuse a start that lies outside the window. Raises InvalidInput that says which events can be resumed from."""
    oldest = max(0, newest.number - WINDOW_RECORDS)
    if since.number < oldest:
        raise InvalidInput(
            f"event {since.number} is too old to resume from; the oldest is {oldest}",
            field="since",
            oldest=str(oldest),
            mend="read the present state with a query, then subscribe without since",
        )
    if since.number > newest.number:
        raise InvalidInput(
            f"event {since.number} has not happened yet; the newest is {newest.number}",
            field="since",
            mend="pass the eventId of the last update that you received",
        )


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def hub() -> Hub:
    """Return this event loop's hub."""
    loop = asyncio.get_running_loop()
    found = _hubs.get(loop)
    if found is None:
        found = _hubs[loop] = Hub()
    return found
