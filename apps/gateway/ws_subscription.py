"""One subscription of a connection, as the hub sees it."""

import asyncio

import orjson

from apps.core.errors import Unavailable
from apps.gateway import measures
from apps.gateway.realtime.batches import Batch
from apps.gateway.realtime.numbering import Numbering
from apps.gateway.realtime.wire import Change
from apps.gateway.tallies import tally
from apps.gateway.ws_guard import GuardedLine

PATIENCE_S = 30.0  # how long a replay waits for a client that does not read


class Subscription:
    """A member of the hub: hands on to its connection, while the operation runs."""

    __slots__ = ("_numbering", "_task", "connection", "count", "id", "id_json")

    def __init__(self, connection: GuardedLine, id_: str, field: str, numbering: Numbering | None = None) -> None:
        self.connection, self.id = connection, id_
        self._numbering = numbering
        self.id_json = orjson.dumps(id_)
        self._task = connection.tasks.get(id_)  # the id may be another operation's one day
        self.count = tally(measures.DELIVERIES.labels(field))

    @property
    def sender(self) -> GuardedLine:
        """Its connection."""
        return self.connection

    def offer(self, change: Change, payload: str) -> None:
        """Send an update to the client, unless the operation has ended."""
        self.push(Batch([(change, payload)]))

    def tell(self, payload: str) -> None:
        """Send a state to the client, unless the operation has ended."""
        if self.connection.tasks.get(self.id) is self._task:
            if self._numbering is not None:
                payload = self._numbering.result(payload)
            self.connection.send(f'{{"id":{self.id_json.decode()},"type":"next","payload":{payload}}}')
            self.count.inc()

    def push(self, batch: Batch) -> None:
        """Send the updates of a window to the client, unless the operation has ended."""
        connection = self.connection
        if connection.tasks.get(self.id) is not self._task:
            return
        if self._numbering is not None:
            batch = self._numbering.batch(batch)
        if connection.push(batch, self.id_json):
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
