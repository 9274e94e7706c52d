"""`/metrics` for Prometheus: who may read, and the page itself.

In embedded mode this machine may (loopback). Anyone else, and everyone in production, needs the token of
`IG_METRICS_TOKEN` as Bearer, or to call from an address of `IG_METRICS_FROM`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from apps.core import conf
from apps.core.metrics import exposition
from apps.core.side_door import may_read
from apps.gateway import arrivals
from apps.gateway.asgi_answers import Send, answer, answer_problem, only_reading
from apps.gateway.backlog import Backlog
from apps.gateway.pools import sample_pools

WITHIN_S = 8.0


async def metrics(scope: Mapping[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """`GET /metrics`: OpenMetrics or Prometheus's text format, by Accept."""
    if not await only_reading(scope, send):
        return
    headers = arrivals.headers_of(scope)
    if not may_read(arrivals.ip_of(scope, headers), headers.get("authorization", ""), conf.get()):
        await answer_problem(
            scope, send, 401, "metrics need the metrics token", {"WWW-Authenticate": 'Bearer realm="metrics"'}
        )
        return
    try:
        async with asyncio.timeout(WITHIN_S):
            sample_pools()
            body, content_type = await asyncio.to_thread(exposition, headers.get("accept", ""), [Backlog()])
    except TimeoutError:
        await answer_problem(scope, send, 503, f"the figures could not be read in {WITHIN_S:g} s", {"Retry-After": "5"})
        return
    await answer(scope, send, 200, body, content_type, {"Vary": "Accept"})
