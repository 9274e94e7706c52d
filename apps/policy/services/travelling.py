"""Verb of zero trust: notice somebody who is in two places at once.

Only places that are believed count: what a trusted proxy or an identity provider's token says. The last place of each
person and token holder stands in Redis for a day; without Redis nobody is noticed, and nobody is stopped for it.
"""

import re
import time
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django_redis import get_redis_connection
from redis import RedisError

from apps.bus import services as bus
from apps.core.context import ActorKind, Context
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
    """Remember where a session is, and tell when nobody travels so fast from where the same caller was last; at most once
    an hour. A person must then give the second factor again, as when an identity provider asks for it. The holder of a
    token may be a program that runs in several places, and cannot: of it the ledger and the alert tell.

    What it finds is recorded before the new place is written: whoever dies between finds it once more, and records it once.
    """
    tenant_id, country = ctx.tenant_id, ctx.session.country
    if tenant_id is None or not country:
        return
    caller = f"{tenant_id}:{ctx.actor.ref}"
    now = time.monotonic()
    if now - _written.get((caller, country), -WRITTEN_EVERY_S) < WRITTEN_EVERY_S:
        return
    place_key, told_key = f"ig:t:{caller}:place", f"ig:t:{caller}:travel"
    try:
        redis = cast(Any, get_redis_connection("default"))
        place, at = _read(redis.get(place_key))
        away_s = max(0.0, ctx.now.timestamp() - at)
        if not travel.possible(place, country, away_s) and not redis.exists(told_key):
            _tell(ctx, tenant_id, place, at, int(away_s))
            redis.set(told_key, b"1", ex=TOLD_EVERY_S)
        redis.set(place_key, f"{country} {ctx.now.timestamp():.0f}", ex=KEPT_S)
    except (RedisError, OSError) as error:
        log.warning("the place of a session is not compared", error=type(error).__name__)
        return
    if len(_written) >= MOST:
        _written.clear()
    _written.pop((caller, place), None)
    _written[caller, country] = now


def _read(value: bytes | None) -> tuple[str, float]:
    """Return the country and the time (seconds since 1970) that were written; no country when that is not their form."""
    match = _PLACE.match(value or b"")
    return (match[1].decode(), float(match[2])) if match else ("", 0.0)


def _tell(ctx: Context, tenant_id: UUID, before: str, at: float, seconds: int) -> None:
    """Record it once for the place that was left, whoever else finds it at the same time."""
    country = ctx.session.country
    with tenant_scope(tenant_id), transaction.atomic():
        _, made = SignalEntry.objects.get_or_create(
            issuer=ISSUER,
            jti=f"{ctx.actor.ref} {before} {at:.0f}",
            kind=(SignalKind.FACTOR if ctx.actor.kind is ActorKind.USER else SignalKind.PLACE).value,
            defaults={"subject": ctx.actor.ref, "value": travel.SAID, "at": ctx.now, "received_at": ctx.now},
        )
        if not made:
            return
        apart = round(travel.distance_km(before, country) or 0)
        bus.record(ctx, TravelImpossible(ctx.actor.ref, before, country, apart, seconds))
        postures.POSTURES.changed(tenant_id)
    measures.TRAVEL.inc()
    log.warning("impossible travel", tenant=str(tenant_id), actor=ctx.actor.ref, seconds=seconds)
