"""Is this process alive, and can it do its work: `/healthz` and `/readyz`.

Liveness looks at nothing but this process, so that a database that is away does not have every web process restarted.
Readiness asks PostgreSQL, its migrations and Redis, each within a bound; how far projections are behind is told
besides, and decides nothing.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from apps.bus import selectors as bus
from apps.core.scope import system_scope
from apps.core.telemetry import get_logger
from apps.gateway.asgi_answers import Send, answer_json, only_reading
from apps.ledger import selectors as ledger

log = get_logger(__name__)

PROBE_WITHIN_S = 3.0
KEPT_S = 1.0


@dataclass(slots=True)
class _Probe:
    """The last look and when it was taken; one look at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    at: float = -1e9
    report: dict[str, Any] = field(default_factory=dict)


_probe = _Probe()


@cache
def _expected_migrations() -> frozenset[tuple[str, str]]:
    """Return (app, name) of every migration that this release brings."""
    return frozenset(MigrationLoader(None).disk_migrations)


def _postgresql() -> str:
    with system_scope("core.metrics"), connections["system"].cursor() as cursor:
        cursor.execute("select 1")
    return "ok"


def _migrations() -> str:
    with system_scope("core.metrics"), connections["system"].cursor() as cursor:
        cursor.execute("select app, name from django_migrations")
        missing = _expected_migrations() - set(cursor.fetchall())
    return "ok" if not missing else f"{len(missing)} not applied"


def _redis() -> str:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    try:
        client.ping()
    finally:
        client.close()
    return "ok"


def projection_lag() -> dict[str, int]:
    """Return how many events each subscriber is behind the newest one (of all tenants)."""
    with system_scope("core.metrics"):
        newest = ledger.head_position()
        return {name: max(0, newest - position) for name, position in sorted(bus.cursors().items())}


CHECKS: Mapping[str, Callable[[], str]] = {"postgresql": _postgresql, "migrations": _migrations, "redis": _redis}


def look() -> dict[str, Any]:
    """Return the report: `status` is `ready` or `unavailable`, `checks` says `ok` or what is wrong in words.

    Reasons are told by kind only; the words of an error go to the log. A report is kept for a second.
    """
    with _probe.lock:
        if time.monotonic() - _probe.at < KEPT_S:
            return _probe.report
        checks: dict[str, str] = {}
        for name, check in CHECKS.items():
            if name == "migrations" and checks["postgresql"] != "ok":
                checks[name] = "unknown"
                continue
            try:
                checks[name] = check()
            except Exception as error:  # noqa: BLE001  whatever is wrong, the answer is "not ready"
                log.warning("not ready", check=name, error=repr(error))
                checks[name] = "unreachable"
        ready = all(verdict == "ok" for verdict in checks.values())
        report: dict[str, Any] = {"status": "ready" if ready else "unavailable", "checks": checks}
        if ready:
            report["lag"] = projection_lag()
        for connection in connections.all(initialized_only=True):
            connection.close()
        _probe.report, _probe.at = report, time.monotonic()
        return report


async def live(scope: Mapping[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """`GET /healthz`: 200 while this process answers."""
    if await only_reading(scope, send):
        await answer_json(scope, send, 200, {"status": "alive"})


async def ready(scope: Mapping[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """`GET /readyz`: 200 when requests can be served, 503 otherwise."""
    if not await only_reading(scope, send):
        return
    try:
        async with asyncio.timeout(PROBE_WITHIN_S):
            report = await asyncio.shield(asyncio.to_thread(look))
    except TimeoutError:
        report = {"status": "unavailable", "checks": {"answered_within_s": f"no answer in {PROBE_WITHIN_S:g}"}}
    if report["status"] == "ready":
        await answer_json(scope, send, 200, report)
    else:
        await answer_json(scope, send, 503, report, {"Retry-After": "2"})
