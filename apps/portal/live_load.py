"""Live updates on the admin's front page: what they cost now, by process and by tenant."""

from dataclasses import dataclass
from uuid import UUID

import redis
from django.conf import settings

from apps.core import load
from apps.core.load import ProcessLoad, TenantLoad
from apps.core.telemetry import get_logger
from apps.portal.figures import grouped
from apps.portal.types import Stat
from apps.tenants import selectors as tenants

log = get_logger(__name__)

MOST_SHOWN = 8
NOW = "now"
SECONDS = "last seconds"


@dataclass(frozen=True, slots=True)
class LiveLoad:
    """Figures of all processes, the busiest processes, the busiest tenants by name. `known` is False without Redis."""

    known: bool
    stats: tuple[Stat, ...] = ()
    processes: tuple[ProcessLoad, ...] = ()
    tenants: tuple[tuple[str, TenantLoad], ...] = ()


def _pace(value: float) -> str:
    return grouped(round(value)) if value >= 10 or value == 0 else f"{value:.1f}"


def now() -> LiveLoad:
    """Return the load of live updates as the processes told it last (system scope)."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5)
    try:
        loads = load.read_all(client)
    except (redis.RedisError, OSError) as error:
        log.warning("the load of live updates is not known", error=type(error).__name__)
        return LiveLoad(False)
    finally:
        client.close()
    busiest = load.by_tenant(loads)[:MOST_SHOWN]
    names = {str(one.id): one.name for one in tenants.by_ids([UUID(each.tenant_id) for each in busiest])}
    left_out = sum(one.left_out_per_s for one in loads)
    processes = "process" if len(loads) == 1 else "processes"
    stats = (
        Stat(
            "Live connections",
            grouped(sum(one.connections for one in loads)),
            "connections",
            NOW,
            f"{len(loads)} {processes}",
            icon="radio",
        ),
        Stat(
            "Subscriptions",
            grouped(sum(one.subscriptions for one in loads)),
            "open",
            NOW,
            "of all tenants",
            icon="activity",
        ),
        Stat(
            "Updates handed on",
            _pace(sum(one.deliveries_per_s for one in loads)),
            "a second",
            SECONDS,
            f"{_pace(left_out)} left out, {grouped(sum(one.waiting for one in loads))} wait",
            icon="send",
        ),
    )
    return LiveLoad(
        True,
        stats,
        tuple(loads[:MOST_SHOWN]),
        tuple((names.get(each.tenant_id, each.tenant_id), each) for each in busiest),
    )
