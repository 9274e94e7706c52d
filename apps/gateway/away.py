"""What the doors say when PostgreSQL cannot be reached: that it is away, and when to come back; not that something broke."""

import psycopg
from django.db import InterfaceError, OperationalError
from psycopg_pool import PoolTimeout

from apps.core.errors import Unavailable
from apps.core.problem import RETRY_S
from apps.core.telemetry import get_logger

AWAY = (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError)
log = get_logger(__name__)


def database_away(error: BaseException) -> Unavailable:
    """Return the refusal for one of the errors `AWAY`; the error itself goes to the log."""
    log.error("database away", error=repr(error))
    return Unavailable("the database cannot be reached now", mend=f"try again in {RETRY_S} s")
