"""Spans of live updates: a subscription's beginning and end, and a sample of what is handed on.

A caller's trace goes on where `extensions.traceparent` of the `subscribe` message names it. A delivery is no part of a
caller's trace: it has one of its own, from the moment that the ledger numbered its first change. At most one a second is
recorded in a process, so tracing costs the same however much is pushed.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode

from apps.core.context import Context
from apps.core.errors import IgError
from apps.core.telemetry import recording, remote_parent, tracer
from apps.gateway.engine import Prepared
from apps.gateway.realtime.batches import Batch

tracing = tracer(__name__)

SAMPLE_EVERY_S = 1.0
_sampled_at = [float("-inf")]


def _parent(payload: Mapping[str, Any]) -> Any:
    extensions = payload.get("extensions")
    told = extensions.get("traceparent") if isinstance(extensions, dict) else None
    return remote_parent({"traceparent": told} if isinstance(told, str) and len(told) < 100 else {})


@contextmanager
def subscribing(payload: Mapping[str, Any], prepared: Prepared, ctx: Context, request_id: str) -> Iterator[Span]:
    """The span of a subscription's beginning, until it stands: what it missed has then been told."""
    with tracing.start_as_current_span(
        "graphql subscribe",
        context=_parent(payload),
        kind=SpanKind.SERVER,
        record_exception=False,
        set_status_on_exception=False,
        attributes={
            "graphql.operation.type": "subscription",
            "graphql.operation.name": prepared.name,
            "graphql.document.hash": prepared.document.sha256,
            "ig.tenant": str(ctx.tenant_id or ""),
            "ig.request_id": request_id,
        },
    ) as span:
        try:
            yield span
        except Exception as error:
            refuse(span, error.code if isinstance(error, IgError) else "INTERNAL")
            raise


def refuse(span: Span, code: str) -> None:
    """Say on a span that the subscription did not come to stand."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))


def unsubscribed(began: SpanContext, field: str, tenant: str, lasted_s: float) -> None:
    """Record a subscription's end, linked to its beginning, which may be long ago and of another trace."""
    if not recording():
        return
    tracing.start_span(
        "graphql unsubscribe",
        context=remote_parent({}),
        links=[Link(began)] if began.is_valid else [],
        attributes={"ig.subscription.field": field, "ig.tenant": tenant, "ig.lasted_s": round(lasted_s, 3)},
    ).end()


def delivered(batch: Batch, field: str, tenant: str, subscribers: int) -> None:
    """Record that a window's changes were handed on, if it is time for a sample."""
    now = time.monotonic()
    if now - _sampled_at[0] < SAMPLE_EVERY_S or not recording():
        return
    _sampled_at[0] = now
    first, last = batch.told[0][0], batch.told[-1][0]
    numbered_ns = int(datetime.fromisoformat(first.published_at).timestamp() * 1e9)
    tracing.start_span(
        "live delivery",
        context=remote_parent({}),
        kind=SpanKind.PRODUCER,
        start_time=min(numbered_ns, time.time_ns()),  # clocks of machines differ
        attributes={
            "ig.subscription.field": field,
            "ig.tenant": tenant,
            "ig.changes": len(batch),
            "ig.subscribers": subscribers,
            "ig.first_event": first.event_id,
            "ig.last_event": last.event_id,
        },
    ).end()
