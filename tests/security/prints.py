"""A fingerprint of all that tenants and the platform hold, to prove that a refusal changed nothing.

It covers every row of every table: of tables that belong to tenants the rows of the tenants named and of the platform's
own ledger, of other tables all rows. Left out is only what is written about requests themselves, refused ones as well:
the decision log, attempts to sign in, sessions and their times of use, Django's own book-keeping, and where numbering of
records has got to (the records themselves are in).
"""

from collections.abc import Sequence
from functools import cache
from uuid import UUID

from django.db import connections

from apps.core.scope import PLATFORM_TENANT_ID, no_scope, system_scope

ABOUT_REQUESTS = frozenset(
    {
        "policy_decision", "identity_session", "identity_signin", "django_session", "flags_usage",
        "axes_accessattempt", "axes_accessattemptexpiration", "axes_accessfailurelog", "axes_accesslog",
    }
)  # fmt: skip
BOOKS = frozenset(
    {
        "auth_group", "auth_group_permissions", "auth_permission", "django_content_type", "django_migrations",
        "graph_cypher_migration", "bus_cursor", "ledger_sequencer", "ledger_head", "ledger_link",
    }
)  # fmt: skip
TIMES_OF_USE = ("last_used_at", "last_login", "throttling_failure_count", "throttling_failure_timestamp")
COLUMNS = """
    select c.relname, bool_or(a.attname = 'tenant_id'), bool_or(a.attname = 'event_tenant_id')
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
    group by 1 order by 1"""


@cache
def _statement(platform: bool) -> str:
    dropped = "".join(f" - '{name}'" for name in TIMES_OF_USE)
    parts = []
    with connections["system"].cursor() as cursor:
        cursor.execute(COLUMNS)
        for table, owned, parked in cursor.fetchall():
            column = "tenant_id" if owned else "event_tenant_id" if parked else ""
            if table in ABOUT_REQUESTS | BOOKS or not (platform or column):
                continue
            whole = not column or (platform and table == "portal_proposal")  # whose tenant may be none
            where = "" if whole else f" where {column} = any(%(tenants)s)"
            row = f"md5((to_jsonb(t){dropped})::text)"
            parts.append(f"select '{table}', count(*), md5(string_agg({row}, '' order by {row})) from {table} t{where}")
    return " union all ".join(parts)


def fingerprint(tenants: Sequence[UUID], *, platform: bool = True) -> dict[str, tuple[int, str]]:
    """Return number and digest of the rows of every table; without `platform` only of what belongs to the tenants."""
    with no_scope(), system_scope("portal.admin"):
        statement = _statement(platform)
        with connections["system"].cursor() as cursor:
            cursor.execute(statement, {"tenants": [*tenants, *([PLATFORM_TENANT_ID] if platform else [])]})
            return {table: (count, digest) for table, count, digest in cursor.fetchall()}


def differing(before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]) -> list[str]:
    """Return the tables that are not as they were."""
    return [table for table, stood in before.items() if after[table] != stood]
