"""Figures of this process's database connection pools."""

from django.db import connections

from apps.gateway import measures


def pool_figures() -> dict[str, dict[str, int]]:
    """Return, for each database alias with an open pool, how many connections it has, are idle, and callers wait."""
    found: dict[str, dict[str, int]] = {}
    for alias, pool in type(connections["default"])._connection_pools.items():  # type: ignore[attr-defined]
        stats = pool.get_stats()
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        found[alias] = {"used": size - idle, "idle": idle, "waiting": stats.get("requests_waiting", 0)}
    return found


def sample_pools() -> None:
    """Set the gauges of the connection pools."""
    for alias, figures in pool_figures().items():
        for state, count in figures.items():
            measures.POOL.labels(alias, state).set(count)
