"""Publishes each tenant's numbered records, with the documents that they changed, to the tenant's topic in Redis.

Nothing depends on a message arriving: readers notice a hole by the cursors and read it from PostgreSQL. So what Redis
does not take is tried again a few times, since a reader that has to notice takes longer, and then passed over. While Redis
stays away it is tried ever more rarely. A topic that nobody follows is not even read for.
"""

import time
from collections.abc import Sequence
from itertools import groupby
from threading import local
from uuid import UUID

import redis
from django.conf import settings

from apps.bus.types import Delivered
from apps.core.scope import PLATFORM_TENANT_ID
from apps.core.sockets import SUBSCRIBERS
from apps.core.telemetry import get_logger
from apps.gateway import measures
from apps.gateway.realtime.reading import platform_number, stretches
from apps.gateway.realtime.wire import Cursor, encode, topic

TRIES = 3
PAUSE_S = 0.05  # before the second try; before each one after it twice as long
AWAY_S, AWAY_MOST_S = 0.25, 4.0  # how long Redis is left alone, at first and at most

log = get_logger(__name__)
_thread = local()


def _client() -> "redis.Redis":
    found: redis.Redis | None = getattr(_thread, "client", None)
    if found is None:
        found = _thread.client = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=1.0
        )
    return found


def followed(tenants: Sequence[UUID]) -> set[UUID]:
    """Return which of the tenants' topics some process follows.

    A process that begins to follow reads the tenant's newest number after subscribing; so whoever is not seen here
    has not missed what is published now: its starting point lies behind it.
    """
    names = {topic(tenant_id): tenant_id for tenant_id in tenants}
    counts = _client().pubsub_numsub(*names)
    return {names[name.decode() if isinstance(name, bytes) else name] for name, count in counts if count}


class LivePublisher:
    """Subscriber of every event; the effect is ephemeral, so at-least-once costs nothing."""

    name = "gateway.live"
    types: tuple[str, ...] = ()
    wants_items = True

    def __init__(self) -> None:
        self._given_up = 0
        self._not_before_s = 0.0

    def handle(self, batch: Sequence[Delivered]) -> None:
        """Publish the batch, tenant by tenant, each in order; or pass it over. What was published twice does no harm."""
        if time.monotonic() < self._not_before_s:
            measures.PASSED_OVER.inc(len(batch))
            return
        tries = 1 if self._given_up else TRIES  # each may take a second where Redis hangs
        for tried in range(1, tries + 1):
            try:
                self._publish_all(batch)
            except (redis.RedisError, OSError) as error:
                failed = error
            else:
                self._given_up, self._not_before_s = 0, 0.0
                return
            if tried < tries:
                measures.RETRIES.labels("publish").inc()
                time.sleep(PAUSE_S * 2 ** (tried - 1))
        self._not_before_s = time.monotonic() + min(AWAY_MOST_S, AWAY_S * 2**self._given_up)
        self._given_up = min(self._given_up + 1, 10)
        measures.PASSED_OVER.inc(len(batch))
        log.warning("live updates not published; readers will catch up from the ledger", error=type(failed).__name__)

    def _publish_all(self, batch: Sequence[Delivered]) -> None:
        ordered = sorted(batch, key=lambda event: (event.tenant_id, event.number))
        by_tenant = {
            tenant_id: list(events) for tenant_id, events in groupby(ordered, key=lambda event: event.tenant_id)
        }
        live = followed(list(by_tenant))
        platform = platform_number() if live else 0
        # The platform's own first: the others wait until it was heard.
        for tenant_id in sorted(live, key=lambda each: each != PLATFORM_TENANT_ID):
            self._publish(tenant_id, by_tenant[tenant_id], platform)

    def _publish(self, tenant_id: UUID, events: Sequence[Delivered], platform: int) -> None:
        # One by one: the stretches of a large batch need not be in memory together.
        for stretch in stretches(tenant_id, events, Cursor(events[0].number - 1), platform):
            _client().publish(topic(tenant_id), encode(stretch))
            measures.PUBLISHED.inc()


SUBSCRIBERS.plug(LivePublisher.name, LivePublisher())
