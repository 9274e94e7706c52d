"""Access that ends by time: the moment from which nothing more is sent on a connection."""

import time
from datetime import datetime

from apps.core.context import Context
from apps.gateway.ws_protocol import CloseCode
from apps.policy import services as policy


class Ending:
    """A moment on two clocks: a wall clock that is set back keeps nothing open, a machine that slept does not either."""

    __slots__ = ("_steady_s", "_wall_s", "at", "code")

    def __init__(self, at: datetime, code: CloseCode, now: datetime) -> None:
        """`now` is what `at` was compared with when the caller was let in; `code` closes the connection."""
        self.at, self.code = at, code
        self._wall_s = at.timestamp()
        self._steady_s = time.monotonic() + (at - now).total_seconds()

    def has_come(self) -> bool:
        """Return whether the moment has passed."""
        return time.monotonic() >= self._steady_s or time.time() >= self._wall_s

    @property
    def left_s(self) -> float:
        """How long it is until then, in seconds."""
        return min(self._steady_s - time.monotonic(), self._wall_s - time.time())


def ending_of(ctx: Context) -> Ending | None:
    """Return the earliest moment at which a caller's access ends by time alone, or None. May read rows."""
    facts = ctx.session
    moments = (
        (facts.ends_at, CloseCode.UNAUTHORIZED),
        (facts.admitted_until, CloseCode.FORBIDDEN),
        (policy.sound_until(ctx), CloseCode.FORBIDDEN),
    )
    known = [(at, code) for at, code in moments if at is not None]
    return Ending(*min(known), ctx.now) if known else None
