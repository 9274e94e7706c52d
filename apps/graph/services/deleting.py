"""Deleting entities, and with them the edges that would dangle."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput
from apps.core.routers import write_alias
from apps.core.scope import require_tenant_id
from apps.graph import store
from apps.graph.events import EntitiesDeleted
from apps.graph.services.retrying import retried
from apps.graph.types import MAX_BATCH, DeleteResult, RetentionTier
from apps.ledger.types import Item

MAX_EDGES = 20_000


@retried
def delete_entities(ctx: Context, *, ids: Sequence[UUID]) -> DeleteResult:
    """Delete entities of the tenant in scope with their edges: one transaction, one ledger record.

    Unknown ids (also another tenant's) are named in the result and change nothing. Raises InvalidInput for more
    than `MAX_BATCH` ids or 20,000 edges, Conflict when one of them is under legal hold: then nothing is deleted.
    """
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_BATCH:
        raise InvalidInput(f"{len(wanted)} ids; at most {MAX_BATCH} go in one call", field="ids")
    tenant_id = require_tenant_id()
    with transaction.atomic(using=write_alias()):
        found = store.query(
            "select id, kind, version, retention_tier from graph_entity where tenant_id = %s and id = any(%s)"
            " order by kind, external_id for update",
            (tenant_id, wanted),
        )
        held = [row[0] for row in found if row[3] == RetentionTier.LEGAL_HOLD]
        if held:
            raise Conflict(
                f"{len(held)} of these are under legal hold, such as {held[0]}",
                field="ids",
                mend="Lift the hold first, or leave them out.",
            )
        entity_ids = [row[0] for row in found]
        edges = store.query(
            "select id, kind, version from graph_edge where tenant_id = %s and"
            " (source_entity_id = any(%s) or target_entity_id = any(%s)) order by kind, key limit %s for update",
            (tenant_id, entity_ids, entity_ids, MAX_EDGES + 1),
        )
        if len(edges) > MAX_EDGES:
            raise InvalidInput(f"more than {MAX_EDGES} edges would go; delete fewer entities at once", field="ids")
        if edges:
            store.execute(
                "delete from graph_edge where tenant_id = %s and id = any(%s)", (tenant_id, [e[0] for e in edges])
            )
        if found:
            store.execute("delete from graph_entity where tenant_id = %s and id = any(%s)", (tenant_id, entity_ids))
            items = [Item("edge", id_, "deleted", version + 1, kind) for id_, kind, version in edges]
            items += [Item("entity", id_, "deleted", version + 1, kind) for id_, kind, version, _ in found]
            bus.record(ctx, EntitiesDeleted(entities=len(found), edges=len(edges)), items=items)
    known = set(entity_ids)
    return DeleteResult(len(found), len(edges), [str(i) for i in wanted if i not in known])
