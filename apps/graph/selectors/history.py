"""What things looked like: revisions for history, live updates and replay."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from apps.core.context import Context
from apps.core.scope import require_tenant_id
from apps.graph import store
from apps.graph.types import Revision
from apps.ledger import selectors as ledger


def documents(tenant_id: UUID, refs: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], dict[str, Any]]:
    """Return {(id, version): document} of revisions that still hold one. Works in a tenant's or a system scope."""
    rows = store.query(
        "select r.ref_id, r.version, r.document from unnest(%s::uuid[], %s::int[]) as w(ref_id, version)"
        " join graph_revision r on r.tenant_id = %s and r.ref_id = w.ref_id and r.version = w.version"
        " where r.document is not null",
        ([ref for ref, _ in refs], [version for _, version in refs], tenant_id),
    )
    return {(ref, version): orjson.loads(bytes(document)) for ref, version, document in rows}


def history(ctx: Context, ref_id: UUID, *, first: int = 20) -> list[Revision]:
    """Return the newest changes of an entity or edge, newest first, each with its ledger number and, unless erased, document."""
    tenant_id = require_tenant_id()
    changes = ledger.history_of(tenant_id, ref_id, limit=first)
    known = documents(tenant_id, [(ref_id, item.version) for _, _, item in changes])
    return [
        Revision(
            ref_id=ref_id,
            version=item.version,
            op=item.op,
            at=record.at,
            document=known.get((ref_id, item.version)),
            actor=record.actor,
            number=record.number,
            item_position=position,
        )
        for record, position, item in changes
    ]
