"""What live updates cost each web process now, told by every process over Redis and read by whoever shows it.

Prometheus keeps figures over time and knows no tenants; this is the present, by process and tenant. Each process writes
its own field of one hash every few seconds. What is older than STALE_S belongs to a process that ended.
"""

from dataclasses import asdict, dataclass
from typing import Any

import orjson
import redis

from apps.core.clock import utc_now

KEY = "ig:load:live"
STALE_S = 20.0
MOST_TENANTS = 50
"""Of a process, those with the most deliveries and subscriptions."""


@dataclass(frozen=True, slots=True)
class TenantLoad:
    """What one tenant's live updates are to a process."""

    tenant_id: str
    connections: int
    subscriptions: int
    deliveries_per_s: float


@dataclass(frozen=True, slots=True)
class ProcessLoad:
    """One web process: what is open, what was handed to connections and left out a second, what waits."""

    process: str
    at: float
    connections: int
    subscriptions: int
    deliveries_per_s: float
    left_out_per_s: float
    waiting: int
    tenants: tuple[TenantLoad, ...] = ()


def as_field(load: ProcessLoad) -> bytes:
    """Return a process's load as the hash keeps it."""
    return orjson.dumps(asdict(load))


def read_all(client: "redis.Redis") -> list[ProcessLoad]:
    """Return the load of every process that lives, busiest first; forget those that ended. Raises redis.RedisError."""
    found = client.hgetall(KEY)
    now, loads, ended = utc_now().timestamp(), [], []
    for name, field in found.items():
        load = _read(field)
        if load is None or not -STALE_S < now - load.at < STALE_S:
            ended.append(name)
        else:
            loads.append(load)
    if ended:
        client.hdel(KEY, *ended)
    return sorted(loads, key=lambda one: (-one.deliveries_per_s, -one.connections, one.process))


def by_tenant(loads: list[ProcessLoad]) -> list[TenantLoad]:
    """Return the tenants of all processes, those with the most deliveries first."""
    summed: dict[str, TenantLoad] = {}
    for one in (tenant for load in loads for tenant in load.tenants):
        had = summed.get(one.tenant_id, TenantLoad(one.tenant_id, 0, 0, 0.0))
        summed[one.tenant_id] = TenantLoad(
            one.tenant_id,
            had.connections + one.connections,
            had.subscriptions + one.subscriptions,
            had.deliveries_per_s + one.deliveries_per_s,
        )
    return sorted(summed.values(), key=lambda one: (-one.deliveries_per_s, -one.subscriptions, one.tenant_id))


def _read(field: bytes | str) -> ProcessLoad | None:
    try:
        raw: dict[str, Any] = orjson.loads(field)
        raw["tenants"] = tuple(TenantLoad(**tenant) for tenant in raw["tenants"])
        return ProcessLoad(**raw)
    except (ValueError, KeyError, TypeError):
        return None  # of another release
