"""System checks of the ground: tenant-owned tables keep their policy, the application role cannot bypass it."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from apps.core.rowsecurity import tables_without_policy


@register(Tags.database)
def row_security(app_configs: Any = None, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Report every table with a tenant column whose row-level security is missing, and a role that bypasses it."""
    found: list[CheckMessage] = []
    for alias in databases or []:
        if alias != "default":
            continue
        for table, problem in tables_without_policy(alias):
            found.append(
                Error(f"{table}: {problem}", hint=f'Add EnableRowSecurity("{table}") to the migration.', id="core.E001")
            )
        with connections[alias].cursor() as cursor:
            cursor.execute("select rolname, rolsuper or rolbypassrls from pg_roles where rolname = current_user")
            role, bypasses = cursor.fetchone()
        if bypasses:
            found.append(
                Error(
                    f"the application connects as {role}, which bypasses row-level security",
                    hint="Point DATABASE_URL at a role without SUPERUSER and BYPASSRLS.",
                    id="core.E002",
                )
            )
    return found
