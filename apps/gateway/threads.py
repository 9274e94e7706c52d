"""Where resolvers meet the database: blocking work in a small pool of threads, each keeping its connection.

The event loop carries sockets, parsing and execution; every read or write of rows is one hop to this pool, inside the
caller's tenant. Threads keep their connections between jobs (our database engine keeps the session's tenant in step);
a connection that broke is replaced before the next job.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

from apps.core.context import Context, described_by
from apps.core.scope import no_scope, tenant_scope

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 6  # well under the connection pool's bound, which Django's own requests share
_pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="gateway")


def _drop_broken_connections() -> None:
    """Close this thread's connections that met an error and do not answer any more."""
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            if connection.is_usable():
                connection.errors_occurred = False
            else:
                connection.close()


def in_tenant(ctx: Context, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `work` inside the context's tenant (none when it has none), described for logs. For threads of the pool."""
    with described_by(ctx), no_scope():
        if ctx.tenant_id is None:
            return work(*args, **kwargs)
        with tenant_scope(ctx.tenant_id):
            return work(*args, **kwargs)


async def run(ctx: Context, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking `work` for a caller in the pool and return its result; errors pass through."""
    carried = contextvars.copy_context()

    def inside() -> T:
        try:
            return in_tenant(ctx, work, *args, **kwargs)
        finally:
            _drop_broken_connections()

    return await asyncio.get_running_loop().run_in_executor(_pool, lambda: carried.run(inside))


async def run_outside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking `work` that opens its own scope (finding out who calls) in the pool."""

    def outside() -> T:
        try:
            with no_scope():
                return work(*args, **kwargs)
        finally:
            _drop_broken_connections()

    carried = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_pool, lambda: carried.run(outside))
