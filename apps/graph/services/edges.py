"""Writing edges: many at once, ends by id or by key, only what changes, with optimistic versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import require_tenant_id
from apps.graph import inputs as rules
from apps.graph import store
from apps.graph.events import EdgesUpserted
from apps.graph.services.retrying import retried
from apps.graph.types import MAX_BATCH, EdgeInput, EdgeRow, InputError, UpsertResult
from apps.ledger.types import Item
from apps.tenants.selectors import default_tier

Key = tuple[str, str]


@dataclass(slots=True)
class _Planned:
    """An edge to be written."""

    id: UUID
    version: int
    source_id: UUID
    target_id: UUID
    external_id: str
    contents: dict[str, Any]
    hash: bytes
    created: bool


def edge_key(external_id: str, source_id: UUID, target_id: UUID) -> str:
    """Return the part of an edge's key beside its kind: its external id, or its two ends."""
    return f"x:{external_id}" if external_id else f"p:{source_id}:{target_id}"


@retried
def upsert_edges(ctx: Context, *, inputs: Sequence[EdgeInput], atomic: bool = False, origin: str = "") -> UpsertResult:
    """Create or update edges: one transaction, one ledger record for all that changed.

    Behaves as `upsert_entities`. Errors of single inputs besides: DANGLING_EDGE (an end does not exist).
    Raises InvalidInput for more than `MAX_BATCH` inputs.
    """
    if len(inputs) > MAX_BATCH:
        raise InvalidInput(
            f"{len(inputs)} inputs; at most {MAX_BATCH} go in one call",
            field="input",
            mend="Send several calls, or use ingest for files.",
        )
    errors: dict[int, InputError] = {}
    for index, given in enumerate(inputs):
        if fault := rules.check_edge(index, given):
            errors[index] = fault
    with transaction.atomic(using=write_alias()):
        result = _write(ctx, inputs, errors, atomic, origin)
        if atomic and result.errors:
            transaction.set_rollback(True, using=write_alias())
            return UpsertResult(0, 0, 0, [None] * len(inputs), result.errors)
    return result


def _ends(tenant_id: UUID, inputs: Sequence[EdgeInput], errors: dict[int, InputError]) -> dict[int, tuple[UUID, UUID]]:
    """Return {index: (source, target)} of every input whose ends exist; note an error for the others."""
    keys: set[Key] = set()
    ids: set[UUID] = set()
    for index, given in enumerate(inputs):
        if index in errors:
            continue
        for by_id, kind, external in (
            (given.source_id, given.source_kind, given.source_external_id),
            (given.target_id, given.target_kind, given.target_external_id),
        ):
            if by_id is not None:
                ids.add(by_id)
            else:
                keys.add((kind, external))
    by_key = store.entity_ids_by_key(tenant_id, sorted(keys)) if keys else {}
    known = store.existing_entity_ids(tenant_id, sorted(ids)) if ids else set()
    ends: dict[int, tuple[UUID, UUID]] = {}
    for index, given in enumerate(inputs):
        if index in errors:
            continue
        found: list[UUID] = []
        for end, by_id, kind, external in (
            ("source", given.source_id, given.source_kind, given.source_external_id),
            ("target", given.target_id, given.target_kind, given.target_external_id),
        ):
            end_id = by_key.get((kind, external)) if by_id is None else (by_id if by_id in known else None)
            if end_id is None:
                what = str(by_id) if by_id is not None else f"{kind} {external!r}"
                errors[index] = InputError(index, "DANGLING_EDGE", end, f"{end} {what} does not exist")
                break
            found.append(end_id)
        else:
            ends[index] = (found[0], found[1])
    return ends


def _write(
    ctx: Context, inputs: Sequence[EdgeInput], errors: dict[int, InputError], atomic: bool, origin: str
) -> UpsertResult:
    tenant_id, now = require_tenant_id(), ctx.now
    defaults = rules.defaults_of(rules.EDGE_DEFAULTS, default_tier(tenant_id))
    ends = _ends(tenant_id, inputs, errors)
    keyed = [(i, (inputs[i].kind, edge_key(inputs[i].external_id, *ends[i]))) for i in ends]
    for index, first in rules.duplicates(keyed).items():
        errors[index] = InputError(index, "DUPLICATE_KEY", "externalId", f"the same edge as input {first}")
    rows: list[EdgeRow | None] = [None] * len(inputs)
    pending: dict[Key, int] = {key: index for index, key in keyed if index not in errors}
    written: dict[Key, _Planned] = {}
    unchanged = 0
    lock = False
    while pending and not (atomic and errors):
        standing = store.edges_by_key(tenant_id, list(pending), lock=lock)
        planned: dict[Key, _Planned] = {}
        for key, index in list(pending.items()):
            given, found = inputs[index], standing.get(key)
            if fault := _version_fault(index, given, found[0] if found else None):
                errors[index] = fault
                del pending[key]
                continue
            source_id, target_id = ends[index]
            contents = rules.merged(defaults, given, found[0] if found else None)
            digest = rules.content_hash(contents, str(source_id), str(target_id))
            if found and found[1] == digest:
                rows[index] = found[0]
                unchanged += 1
                del pending[key]
                continue
            planned[key] = _Planned(
                new_id(),
                found[0].version + 1 if found else 1,
                source_id,
                target_id,
                given.external_id,
                contents,
                digest,
                found is None,
            )
        for row_id, kind, edge, version, created_before in _upsert(tenant_id, now, planned):
            plan = written[(kind, edge)] = planned[(kind, edge)]
            plan.created = plan.created or row_id == plan.id  # it was deleted since it was read
            plan.id = row_id
            rows[pending.pop((kind, edge))] = _row(plan, kind, version, created_before or now, now)
        lock = True
    record_id = _record(ctx, tenant_id, now, written, origin)
    created = sum(plan.created for plan in written.values())
    return UpsertResult(
        created, len(written) - created, unchanged, rows, [errors[i] for i in sorted(errors)], record_id
    )


def _version_fault(index: int, given: EdgeInput, standing: EdgeRow | None) -> InputError | None:
    expected = given.expected_version
    if expected is None or (expected == 0 and standing is None):
        return None
    if standing is None:
        return InputError(
            index, "NOT_FOUND", "expectedVersion", f"expected version {expected}, but there is no such edge"
        )
    if standing.version != expected:
        return InputError(
            index,
            "STALE_VERSION",
            "expectedVersion",
            f"expected version {expected}, but version {standing.version} stands: read it and try again",
        )
    return None


def _upsert(tenant_id: UUID, now: datetime, planned: dict[Key, _Planned]) -> list[tuple[Any, ...]]:
    if not planned:
        return []
    plans = list(planned.values())
    return store.hot(
        store.UPSERT_EDGES,
        (
            tenant_id,
            now,
            now,
            [p.id for p in plans],
            [k for k, _ in planned],
            [p.external_id for p in plans],
            [e for _, e in planned],
            [p.source_id for p in plans],
            [p.target_id for p in plans],
            [orjson.dumps(p.contents["properties"]).decode() for p in plans],
            [p.contents["data_class"] for p in plans],
            [p.contents["retention_tier"] for p in plans],
            [p.contents["redaction_policy"] for p in plans],
            ["\x1f".join(p.contents["purposes"]) for p in plans],
            [p.contents["licence"] for p in plans],
            [p.contents["source"] for p in plans],
            [p.version for p in plans],
            [p.hash for p in plans],
        ),
    )


def _row(plan: _Planned, kind: str, version: int, created_at: datetime, now: datetime) -> EdgeRow:
    c = plan.contents
    return EdgeRow(
        plan.id,
        kind,
        plan.external_id,
        plan.source_id,
        plan.target_id,
        c["properties"],
        c["data_class"],
        c["retention_tier"],
        c["redaction_policy"],
        tuple(c["purposes"]),
        c["licence"],
        c["source"],
        version,
        created_at,
        now,
    )


def _record(ctx: Context, tenant_id: UUID, now: datetime, written: dict[Key, _Planned], origin: str) -> int | None:
    if not written:
        return None
    items, revisions = [], []
    for (kind, _), plan in written.items():
        op = "created" if plan.created else "updated"
        document, salt, commitment = rules.sealed_document(
            rules.edge_document(
                plan.id, kind, plan.external_id, plan.source_id, plan.target_id, plan.version, now, plan.contents
            )
        )
        items.append(Item("edge", plan.id, op, plan.version, kind, commitment))
        revisions.append((plan.id, plan.version, op, salt, document))
    store.insert_revisions(tenant_id, "edge", now, revisions)
    created = sum(plan.created for plan in written.values())
    event = EdgesUpserted(created=created, updated=len(written) - created, origin=origin)
    return bus.record(ctx, event, items=items).record_id
