"""Trying a transaction again when PostgreSQL chose it to yield (deadlock, serialization)."""

import functools
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connections
from psycopg.errors import DeadlockDetected, SerializationFailure

from apps.core.routers import write_alias

P = ParamSpec("P")
R = TypeVar("R")
TRIES = 4


def retried(verb: Callable[P, R]) -> Callable[P, R]:
    """Run `verb` again, up to four times, when its transaction was the victim of a deadlock.

    Inside a caller's transaction nothing is tried again: the whole of it must be.
    """

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TRIES):
            try:
                return verb(*args, **kwargs)
            except OperationalError as error:
                if connections[write_alias()].in_atomic_block or not isinstance(
                    error.__cause__, (DeadlockDetected, SerializationFailure)
                ):
                    raise
                time.sleep(0.01 * 2**attempt)
        return verb(*args, **kwargs)

    return run
