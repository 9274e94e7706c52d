"""Writing entities: many at once, only what changes, with optimistic versions."""

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
from apps.graph.events import EntitiesUpserted
from apps.graph.services.retrying import retried
from apps.graph.types import MAX_BATCH, EntityInput, EntityRow, InputError, UpsertResult
from apps.ledger.types import Item
from apps.tenants.selectors import default_tier

Key = tuple[str, str]


@dataclass(slots=True)
class _Planned:
    """A row to be written: id, version after the write, merged contents and their hash.

    The id is a new one until the row stands; a row that is there keeps its own. Offering that one would fail now and then:
    while others update the row, PostgreSQL may find its id in the way before it sees the conflict of keys.
    """

    id: UUID
    version: int
    contents: dict[str, Any]
    hash: bytes
    created: bool


@retried
def upsert_entities(
    ctx: Context, *, inputs: Sequence[EntityInput], atomic: bool = False, origin: str = ""
) -> UpsertResult:
    """Create or update entities by (kind, external id): one transaction, one ledger record for all that changed.

    Inputs that are wrong are refused one by one and the rest is written, unless `atomic`: then one wrong input
    refuses all. `unchanged` ones touch nothing. `origin` names where they come from (an ingest job's id).
    Errors of single inputs: BAD_USER_INPUT, DUPLICATE_KEY, STALE_VERSION, NOT_FOUND (an expected version of
    something that is not there). Raises InvalidInput for more than `MAX_BATCH` inputs.
    """
    if len(inputs) > MAX_BATCH:
        raise InvalidInput(
            f"{len(inputs)} inputs; at most {MAX_BATCH} go in one call",
            field="input",
            mend="Send several calls, or use ingest for files.",
        )
    errors: dict[int, InputError] = {}
    for index, given in enumerate(inputs):
        if fault := rules.check_entity(index, given):
            errors[index] = fault
    for index, first in rules.duplicates(
        (i, (g.kind, g.external_id)) for i, g in enumerate(inputs) if i not in errors
    ).items():
        errors[index] = InputError(index, "DUPLICATE_KEY", "externalId", f"the same key as input {first}")
    if atomic and errors:
        return UpsertResult(0, 0, 0, [None] * len(inputs), [errors[i] for i in sorted(errors)])
    with transaction.atomic(using=write_alias()):
        result = _write(ctx, inputs, errors, atomic, origin)
        if atomic and result.errors:
            transaction.set_rollback(True, using=write_alias())
            return UpsertResult(0, 0, 0, [None] * len(inputs), result.errors)
    return result


def _write(
    ctx: Context, inputs: Sequence[EntityInput], errors: dict[int, InputError], atomic: bool, origin: str
) -> UpsertResult:
    tenant_id, now = require_tenant_id(), ctx.now
    defaults = rules.defaults_of(rules.ENTITY_DEFAULTS, default_tier(tenant_id))
    rows: list[EntityRow | None] = [None] * len(inputs)
    pending = {(g.kind, g.external_id): i for i, g in enumerate(inputs) if i not in errors}
    written: dict[Key, _Planned] = {}
    unchanged = 0
    lock = False
    while pending:
        standing = store.entities_by_key(tenant_id, list(pending), lock=lock)
        planned: dict[Key, _Planned] = {}
        for key, index in list(pending.items()):
            found = standing.get(key)
            given = inputs[index]
            if fault := _version_fault(index, given, found[0] if found else None):
                errors[index] = fault
                del pending[key]
                continue
            contents = rules.merged(defaults, given, found[0] if found else None)
            digest = rules.content_hash(contents)
            if found and found[1] == digest:
                rows[index] = found[0]
                unchanged += 1
                del pending[key]
            elif found:
                planned[key] = _Planned(new_id(), found[0].version + 1, contents, digest, False)
            else:
                planned[key] = _Planned(new_id(), 1, contents, digest, True)
        if atomic and errors:
            break
        for row_id, kind, external_id, version, created_before in _upsert(ctx, tenant_id, now, planned):
            key = (kind, external_id)
            plan = written[key] = planned[key]
            plan.created = plan.created or row_id == plan.id  # it was deleted since it was read
            plan.id = row_id
            rows[pending.pop(key)] = _row(plan, kind, external_id, version, created_before or now, now, ctx.region)
        # Whoever is still pending was changed by another transaction meanwhile: look again, holding the rows.
        lock = True
    record_id = _record(ctx, tenant_id, now, written, origin)
    created = sum(plan.created for plan in written.values())
    return UpsertResult(
        created, len(written) - created, unchanged, rows, [errors[i] for i in sorted(errors)], record_id
    )


def _version_fault(index: int, given: EntityInput, standing: EntityRow | None) -> InputError | None:
    expected = given.expected_version
    if expected is None:
        return None
    if standing is None:
        if expected == 0:
            return None
        return InputError(
            index, "NOT_FOUND", "expectedVersion", f"expected version {expected}, but there is no such entity"
        )
    if standing.version != expected:
        return InputError(
            index,
            "STALE_VERSION",
            "expectedVersion",
            f"expected version {expected}, but version {standing.version} stands: read it and try again",
        )
    return None


def _upsert(ctx: Context, tenant_id: UUID, now: datetime, planned: dict[Key, _Planned]) -> list[tuple[Any, ...]]:
    if not planned:
        return []
    plans = list(planned.values())
    return store.hot(
        store.UPSERT_ENTITIES,
        (
            tenant_id,
            ctx.region,
            now,
            now,
            [p.id for p in plans],
            [k for k, _ in planned],
            [x for _, x in planned],
            [p.contents["name"] for p in plans],
            [orjson.dumps(p.contents["properties"]).decode() for p in plans],
            [p.contents["data_class"] for p in plans],
            [p.contents["retention_tier"] for p in plans],
            [p.contents["redaction_policy"] for p in plans],
            ["\x1f".join(p.contents["purposes"]) for p in plans],
            [p.contents["licence"] for p in plans],
            [p.contents["source"] for p in plans],
            ["\x1f".join(p.contents["subject_keys"]) for p in plans],
            [p.version for p in plans],
            [p.hash for p in plans],
        ),
    )


def _row(
    plan: _Planned, kind: str, external_id: str, version: int, created_at: datetime, now: datetime, region: str
) -> EntityRow:
    c = plan.contents
    return EntityRow(
        plan.id,
        kind,
        external_id,
        c["name"],
        c["properties"],
        c["data_class"],
        c["retention_tier"],
        c["redaction_policy"],
        tuple(c["purposes"]),
        c["licence"],
        c["source"],
        region,
        tuple(c["subject_keys"]),
        version,
        created_at,
        now,
    )


def _record(ctx: Context, tenant_id: UUID, now: datetime, written: dict[Key, _Planned], origin: str) -> int | None:
    if not written:
        return None
    items, revisions = [], []
    for (kind, external_id), plan in written.items():
        op = "created" if plan.created else "updated"
        document, salt, commitment = rules.sealed_document(
            rules.entity_document(plan.id, kind, external_id, plan.version, now, plan.contents, ctx.region)
        )
        items.append(Item("entity", plan.id, op, plan.version, kind, commitment))
        revisions.append((plan.id, plan.version, op, salt, document))
    store.insert_revisions(tenant_id, "entity", now, revisions)
    created = sum(plan.created for plan in written.values())
    event = EntitiesUpserted(created=created, updated=len(written) - created, origin=origin)
    return bus.record(ctx, event, items=items).record_id
