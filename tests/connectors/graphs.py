"""A tenant's graph as plain values, for comparing two of them."""

from typing import Any

from apps.connectors import services
from apps.connectors.types import JobView, Limits
from apps.core.context import Context
from apps.graph.models import Edge, Entity


def graph_of(ctx: Context) -> tuple[list[Any], list[Any]]:
    """Return entities and edges of the tenant in scope, without ids and times; edges by the keys of their ends."""
    entities = {
        row.id: (
            row.kind,
            row.external_id,
            row.name,
            row.properties,
            row.data_class,
            row.retention_tier,
            row.redaction_policy,
            row.purposes,
            row.licence,
            row.source,
            row.subject_keys,
            row.version,
        )
        for row in Entity.objects.all()
    }
    edges = [
        (
            row.kind,
            row.external_id,
            entities[row.source_entity_id][:2],
            entities[row.target_entity_id][:2],
            row.properties,
            row.data_class,
            row.source,
            row.licence,
            row.version,
        )
        for row in Edge.objects.all()
    ]
    return sorted(entities.values(), key=lambda e: e[:2]), sorted(edges, key=lambda e: e[:4])


def ingest(ctx: Context, source: str, data: bytes, *, limits: Limits | None = None, **options: Any) -> JobView:
    """Bring `data` in, in the foreground."""
    job = services.start_ingest(ctx, source=source, content=[data], enqueue=False, **options)
    return services.run_ingest(ctx, job_id=job.id, limits=limits)


def mapping(ctx: Context, name: str, text: str) -> None:
    """Save a mapping."""
    services.put_mapping(ctx, name=name, text=text)
