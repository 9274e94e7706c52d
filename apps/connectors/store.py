"""What PostgreSQL does for ingest beside rows."""

from uuid import UUID

from django.db import connections

from apps.core.routers import write_alias


def lock_hierarchy(tenant_id: UUID, kind: str) -> None:
    """Let nobody else add edges of an acyclic kind until this transaction ends: two halves of a cycle must not meet."""
    with connections[write_alias()].cursor() as cursor:
        cursor.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"connectors.acyclic {tenant_id} {kind}"]
        )
