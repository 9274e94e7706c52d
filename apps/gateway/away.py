"""What the doors say when PostgreSQL cannot be reached, or ended a statement that could go through another time: which of the
two it is, and when to come back; not that something broke."""

import psycopg
from django.db import InterfaceError, OperationalError
from psycopg.errors import QueryCanceled
from psycopg_pool import PoolTimeout

from apps.core.errors import Unavailable
from apps.core.problem import RETRY_S
from apps.core.telemetry import get_logger

TROUBLE = (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError)
"""What drivers raise for both."""

AWAY = ("08", "28", "3D", "53", "57P")
"""Beginnings of SQLSTATE (PostgreSQL's appendix A): no connection, not let in, no such database, no room, shutting down."""
YIELDED = ("40", "55P03")
"""A transaction that was ended for the sake of others, a lock that was waited for too long."""

log = get_logger(__name__)


def refusal_of(error: BaseException) -> Unavailable:
    """Return the refusal for one of the errors `TROUBLE`; the error itself goes to the log."""
    state = _state_of(error)
    log.error("database trouble", error=repr(error), sqlstate=state)
    mend = f"try again in {RETRY_S} s"
    if state is None or state.startswith(AWAY):
        return Unavailable("the database cannot be reached now", mend=mend)
    if state == QueryCanceled.sqlstate:
        return Unavailable("the database could not finish this in time", mend=f"{mend}, or ask for less at once")
    if state.startswith(YIELDED):
        return Unavailable("others were changing the same at this moment, and this had to yield", mend=mend)
    return Unavailable("the database could not finish this", mend=mend)


def _state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a driver's error, or of the one behind Django's; None when PostgreSQL did not answer."""
    driver = error if isinstance(error, psycopg.Error) else error.__cause__
    return driver.sqlstate if isinstance(driver, psycopg.Error) else None
