"""How long transactions have been open: long ones hold back vacuum and widen the sequencer's scan."""

from dataclasses import dataclass

from django.db import connections

_OLDEST = """
select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0),
       pg_has_role(current_user, 'pg_read_all_stats', 'usage')
from pg_stat_activity
where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()
"""


@dataclass(frozen=True, slots=True)
class OldestTransaction:
    """Age of the oldest open transaction. `of_all` is False when only our own role's sessions can be seen."""

    age_s: float
    of_all: bool


def oldest_transaction(using: str = "system") -> OldestTransaction:
    """Return the oldest open transaction of this database but our own (system scope)."""
    with connections[using].cursor() as cursor:
        cursor.execute(_OLDEST)
        age_s, of_all = cursor.fetchone()
    return OldestTransaction(float(age_s), bool(of_all))
