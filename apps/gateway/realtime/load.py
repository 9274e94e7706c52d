"""What this web process's live updates cost now: gathered every few seconds, told to Redis and to Prometheus."""

import os
import platform
import time
from collections import Counter
from uuid import UUID

from prometheus_client import Counter as Metric
from prometheus_client import Gauge
from redis.exceptions import RedisError

from apps.core.clock import utc_now
from apps.core.load import KEY, MOST_TENANTS, STALE_S, ProcessLoad, TenantLoad, as_field
from apps.core.scope import PLATFORM_TENANT_ID
from apps.core.telemetry import get_logger
from apps.gateway import measures, store
from apps.gateway.realtime.hub import hub
from apps.gateway.realtime.shapes import DELIVERED, Sender

log = get_logger(__name__)

PROCESS = f"{platform.node()}:{os.getpid()}"


def _sum(metric: Metric | Gauge) -> float:
    """Return what this process has counted, over all labels."""
    samples = (sample for family in metric.collect() for sample in family.samples)
    return sum(sample.value for sample in samples if not sample.name.endswith("_created"))


def _left_out() -> float:
    return _sum(measures.DROPPED) + _sum(measures.SHED)


class Gathering:
    """Looks at the process from time to time; rates are those since the look before."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._delivered, self._left_out = _sum(measures.DELIVERIES), _left_out()
        self._by_tenant: Counter[UUID] = Counter(DELIVERED)

    def look(self) -> ProcessLoad:
        """Return the load now, and set the gauges that are looked up, not counted."""
        now = time.monotonic()
        seconds = max(0.001, now - self._at)
        delivered, left_out = _sum(measures.DELIVERIES), _left_out()
        tenants, subscriptions, to_hand_on = [], 0, 0
        everyone: set[Sender] = set()
        for tenant_id, members, waiting in hub().followed():
            if tenant_id == PLATFORM_TENANT_ID:
                continue  # each member follows the platform's records besides its tenant's
            senders = {member.sender for member in members}
            pace = (DELIVERED[tenant_id] - self._by_tenant[tenant_id]) / seconds
            tenants.append(TenantLoad(str(tenant_id), len(senders), len(members), round(pace, 1)))
            everyone |= senders
            subscriptions += len(members)
            to_hand_on += waiting
        to_send = sum(sender.unsent for sender in everyone)
        measures.QUEUE_DEPTH.labels("feed").set(to_hand_on)
        measures.QUEUE_DEPTH.labels("outbox").set(to_send)
        load = ProcessLoad(
            PROCESS,
            utc_now().timestamp(),
            int(_sum(measures.SOCKETS)),
            subscriptions,
            round((delivered - self._delivered) / seconds, 1),
            round((left_out - self._left_out) / seconds, 1),
            to_hand_on + to_send,
            tuple(sorted(tenants, key=lambda one: (-one.deliveries_per_s, -one.subscriptions))[:MOST_TENANTS]),
        )
        self._at, self._delivered, self._left_out = now, delivered, left_out
        self._by_tenant = Counter(DELIVERED)
        return load

    async def tell(self) -> None:
        """Tell Redis; without it the admin shows what it last knew for STALE_S, then nothing."""
        load = self.look()
        try:
            client = store.client()
            await client.hset(KEY, PROCESS, as_field(load))
            await client.expire(KEY, int(STALE_S * 3))
        except (RedisError, OSError) as error:
            log.debug("the load is not told", error=type(error).__name__)


async def leave() -> None:
    """Take this process off the table: it ends."""
    try:
        await store.client().hdel(KEY, PROCESS)
    except (RedisError, OSError) as error:
        log.debug("the load is not taken back", error=type(error).__name__)
