"""A shape: one document, one set of variables, one way to see. Its members get the same bytes, made once per change."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from graphql import FieldNode, VariableNode

from apps.core.context import Context
from apps.core.telemetry import get_logger
from apps.gateway import measures
from apps.gateway.answers import encode
from apps.gateway.call import Call
from apps.gateway.engine import Engine, Prepared
from apps.gateway.realtime import spans
from apps.gateway.realtime.batches import Batch
from apps.gateway.realtime.gaps import Gap, Reason
from apps.gateway.realtime.pacing import Latest, Newest
from apps.gateway.realtime.selections import Write, compiled
from apps.gateway.realtime.wire import Change, Cursor
from apps.gateway.shown import Viewer
from apps.gateway.tallies import ages, tally
from apps.policy import services as policy
from apps.policy.selectors import visibility
from apps.policy.types import Tags, Treatment

log = get_logger(__name__)

Wants = Callable[[Change], bool]
MAX_HELD = 5_000
WRITTEN = measures.OPERATIONS.labels("subscription", "OK")


DELIVERED: Counter[UUID] = Counter()
"""How many updates this process has handed to members, by tenant."""


class Sender(Protocol):
    """The connection that members share."""

    @property
    def unsent(self) -> int:
        """How many messages wait to be sent."""


class Member(Protocol):
    """One subscription of one connection."""

    @property
    def sender(self) -> Sender:
        """Its connection."""

    def offer(self, change: Change, payload: str) -> None:
        """Take an update, already encoded. Must not block."""

    def push(self, batch: Batch) -> None:
        """Take the updates of a window. Must not block."""

    async def room(self) -> None:
        """Wait until the member can take more. Raises Unavailable when it does not read for too long."""

    async def revalidate(self) -> None:
        """Make sure that the caller may still be here; end the connection when not. Must not raise."""

    def broken(self) -> None:
        """An update could not be made: end the connection, so that its client resumes."""


@dataclass(slots=True, eq=False)
class Seat:
    """A member's place in a shape: hands on what lies behind `seen`, once and in order.

    While `held` is a list the member is still being told what it missed: what comes live is kept until `open`.
    """

    member: Member
    seen: Cursor
    held: list[tuple[Change, str]] | None = None
    overtaken: bool = False

    def offer(self, change: Change, payload: str) -> None:
        """Hand on a change, keep it for later, or drop it because it was handed on already.

        A member that is still being told more than MAX_HELD later is told the rest from the ledger, like the first part.
        """
        if self.held is not None:
            if len(self.held) < MAX_HELD:
                self.held.append((change, payload))
            else:
                self.overtaken = True
        else:
            self.hand_on(change, payload)

    def push(self, batch: Batch) -> None:
        """Hand on a window's changes: together, where all of them lie behind the last one."""
        if self.held is None and self.seen < batch.first:
            self.seen = batch.last
            self.member.push(batch)
        else:
            for change, payload in batch:
                self.offer(change, payload)

    def hand_on(self, change: Change, payload: str) -> None:
        """Hand on a change behind the last one."""
        if change.cursor > self.seen:
            self.seen = change.cursor
            self.member.offer(change, payload)

    def again(self) -> None:
        """Too much came live meanwhile: forget it, it will be read from the ledger."""
        self.held, self.overtaken = [], False

    def open(self, seen: Cursor) -> None:
        """What was missed has been told up to `seen`: hand on what was kept, and everything live from now on."""
        self.seen = max(self.seen, seen)
        held, self.held = self.held or [], None
        for change, payload in held:
            self.hand_on(change, payload)


@dataclass(frozen=True, slots=True)
class Source:
    """What a subscription field asks for: whose changes, which of them, from where on (None: from now on)."""

    tenant_id: UUID
    field: str
    wants: Wants
    since: Cursor | None = None
    coalesce_s: float = 0.0
    """When above 0: the newest change of each entity is handed on, so often."""
    ref_id: str | None = None
    """The one entity or edge that it asks for, where it is one: nobody else's changes are offered to `wants`."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The root value of one push: the change, for the field's resolver to shape."""

    change: Change


def shape_key(prepared: Prepared, ctx: Context) -> tuple[str, str, bytes, str]:
    """Return what two subscriptions must share to get equal bytes: document, operation, variables, what they may see
    and do. A variable that says where to begin (`since`) does not count: it changes nothing in what is sent; nor does one
    that the operation does not declare."""
    starts = {
        argument.value.name.value
        for node in prepared.operation.selection_set.selections
        if isinstance(node, FieldNode)
        for argument in node.arguments
        if argument.name.value == "since" and isinstance(argument.value, VariableNode)
    }
    declared = {each.variable.name.value for each in prepared.operation.variable_definitions or ()} - starts
    variables = {name: value for name, value in sorted(prepared.variables.items()) if name in declared}
    held = (ctx.roles, ctx.scopes or (), ctx.platform_roles)
    sight = "|".join([policy.clearance(ctx).key, *("+".join(sorted(names)) for names in held)])
    return prepared.document.sha256, prepared.name, encode(variables), sight


@dataclass(slots=True, eq=False)
class Shape:
    """Members that get equal bytes, and how these are made."""

    engine: Engine
    prepared: Prepared
    ctx: Context
    source: Source
    seats: set[Seat] = field(default_factory=set)
    waiting: list[tuple[Change, str]] = field(default_factory=list)
    latest: Latest | None = None  # where updates are coalesced
    gap: Gap | None = None  # updates that the tenant's pace did not admit
    names_events: bool = False
    """True where each result is to say in its extensions of which event it tells, as accounts of deliveries need it."""
    held_back: bool = False
    """True where a window has updates that were kept waiting on purpose: coalesced, or over the tenant's pace."""
    _write: Write | None = None
    _is_compiled: bool = False

    def __post_init__(self) -> None:
        if self.source.coalesce_s:
            self.latest = Latest()

    @property
    def topic(self) -> str:
        """The entity that it is about, for its bucket; empty for the whole stream."""
        return self.source.ref_id or ""

    def leave_out(self, reason: Reason, newest: Newest) -> None:
        """Do not hand on a change now."""
        if self.gap is None:
            self.gap = Gap(reason, newest.change, superseded=newest.superseded)
        else:
            self.gap.add(newest.change, reason=reason, superseded=newest.superseded)

    def owed(self, newest: Newest) -> dict[str, Any]:
        """Return what the result of the next change has to say of those before it, and count them."""
        gap, self.gap = self.gap, None
        self.held_back |= gap is not None or self.latest is not None
        if newest.superseded:
            measures.COALESCED.labels(self.source.field).inc(newest.superseded)
        if gap is None:
            return newest.extensions
        if gap.change is not newest.change:
            gap.add(newest.change, superseded=newest.superseded)
        if gap.missed:
            reason = "+".join(gap.reasons)
            measures.SHED.labels(reason).inc(gap.missed * len(self.seats))
            measures.DISCONTINUITIES.labels(reason).inc(len(self.seats))
        return {**newest.extensions, **gap.extensions()}

    def wants(self, change: Change) -> bool:
        """Return whether the members asked for this change and may know of it at all."""
        if not self.source.wants(change):
            return False
        if change.tags is None:
            return True  # deleted long ago or erased: nothing is left to show or to protect
        tags = Tags(*change.tags)
        return visibility(tags, policy.clearance(self.ctx)).treatment is not Treatment.WITHHOLD

    def text(self, change: Change) -> str | None:
        """Return what `render` would, or None when that takes resolvers."""
        if not self._is_compiled:
            context = self.engine.context(self.prepared, Call.of(self.ctx, "ws"))
            self._write = None if isinstance(context, list) else compiled(context)
            self._is_compiled = True
        if self._write is None:
            return None
        try:
            data = self._write(change, Viewer(policy.clearance(self.ctx), self.ctx.tenant_id))
        except LookupError:
            return None
        return encode({"data": data, **self._named(change)}).decode()

    async def render(self, change: Change) -> str:
        """Return the result of the selection over a change, as JSON."""
        text = self.text(change)
        if text is not None:
            return text
        outcome = await self.engine.execute(self.prepared, Call.of(self.ctx, "ws"), Pushed(change))
        payload = outcome.payload()
        payload.pop("extensions", None)
        return encode({**payload, **self._named(change)}).decode()

    def _named(self, change: Change) -> dict[str, Any]:
        return {"extensions": {"eventId": change.event_id}} if self.names_events else {}

    def flush(self) -> None:
        """Hand on what waits to every seat; one whose member cannot take it is told to come back."""
        if not self.waiting:
            return
        batch, self.waiting = Batch(self.waiting), []
        DELIVERED[self.source.tenant_id] += len(batch) * len(self.seats)
        for seat in list(self.seats):
            try:
                seat.push(batch)
            except Exception as error:
                log.error("updates cannot be handed on", shape=self.source.field, exc_info=error)
                seat.member.broken()
        if self._write is not None:  # else the engine counts
            tally(WRITTEN).inc(len(batch))
        batch.forget_frames()
        spans.delivered(batch, self.source.field, str(self.source.tenant_id), len(self.seats))
        if not self.held_back:  # else it is not we who are late
            ages(measures.FANOUT_SECONDS).note(batch.told[0][0])
        self.held_back = False
