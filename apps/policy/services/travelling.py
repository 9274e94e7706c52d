"""Verb of zero trust: notice somebody who is in two places at once.

Only places that are believed count: what a trusted proxy or an identity provider's token says. The last place of each
person and token holder stands in Redis for a day; without Redis nobody is noticed, and nobody is stopped for it.
"""

import re
import time
from typing import Any, cast

from django.db import transaction
from django_redis import get_redis_connection
from redis import RedisError

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.core.telemetry import get_logger
from apps.policy import measures, postures, travel
from apps.policy.events import TravelImpossible
from apps.policy.models import SignalEntry
from apps.policy.types import SignalKind

KEPT_S = 24 * 3600
WRITTEN_EVERY_S = 60.0
TOLD_EVERY_S = 3600
MOST = 20_000
ISSUER = "urn:intelgraph:travel"
"""Who says so, among identity providers: we."""

log = get_logger(__name__)
_PLACE = re.compile(rb"^([A-Z]{2}) (\d{1,12})$")
_written: dict[tuple[str, str], float] = {}


def note_place(ctx: Context) -> None:
    """Remember where a session is. When nobody travels so fast from where the same caller was last, that is a signal: it
    counts as an identity provider's word that the second factor must be given again; at most one an hour."""
    tenant_id, country = ctx.tenant_id, ctx.session.country
    if tenant_id is None or not country:
        return
    caller = f"{tenant_id}:{ctx.actor.ref}"
    now = time.monotonic()
    if now - _written.get((caller, country), -WRITTEN_EVERY_S) < WRITTEN_EVERY_S:
        return
    try:
        place, at = _read(_exchange(f"ig:t:{caller}:place", f"{country} {ctx.now.timestamp():.0f}"))
        away_s = max(0.0, ctx.now.timestamp() - at)
        quiet = travel.possible(place, country, away_s) or not _first(f"ig:t:{caller}:travel")
    except (RedisError, OSError) as error:
        log.warning("the place of a session is not compared", error=type(error).__name__)
        return
    if len(_written) >= MOST:
        _written.clear()
    for known in [key for key in ((caller, place), (caller, country)) if key in _written]:
        del _written[known]
    _written[caller, country] = now
    if not quiet:
        _tell(ctx, place, int(away_s))


def _exchange(key: str, value: str) -> bytes | None:
    """Write a value and return the one before in one step, so that two processes cannot both miss a change."""
    return cast(bytes | None, cast(Any, get_redis_connection("default")).set(key, value, ex=KEPT_S, get=True))


def _read(value: bytes | None) -> tuple[str, float]:
    """Return the country and the time (seconds since 1970) that were written; no country when that is not their form."""
    match = _PLACE.match(value or b"")
    return (match[1].decode(), float(match[2])) if match else ("", 0.0)


def _first(key: str) -> bool:
    return bool(cast(Any, get_redis_connection("default")).set(key, b"1", ex=TOLD_EVERY_S, nx=True))


def _tell(ctx: Context, before: str, seconds: int) -> None:
    country = ctx.session.country
    measures.TRAVEL.inc()
    log.warning("impossible travel", tenant=str(ctx.tenant_id), actor=ctx.actor.ref, seconds=seconds)
    if ctx.tenant_id is None:
        return
    with tenant_scope(ctx.tenant_id), transaction.atomic():
        SignalEntry.objects.create(
            issuer=ISSUER,
            jti=str(new_id()),
            kind=SignalKind.FACTOR.value,
            subject=ctx.actor.ref,
            value=travel.SAID,
            at=ctx.now,
            received_at=ctx.now,
        )
        apart = round(travel.distance_km(before, country) or 0)
        bus.record(ctx, TravelImpossible(ctx.actor.ref, before, country, apart, seconds))
        postures.POSTURES.changed(ctx.tenant_id)
