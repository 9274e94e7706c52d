"""One batch: inputs into the graph, and what became of each row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.connectors.mapping.compiler import Mapped
from apps.connectors.types import RowError
from apps.core.clock import fixed
from apps.core.context import Context
from apps.graph import services as graph
from apps.graph.types import MAX_BATCH, EdgeInput, EntityInput, InputError

UNCHANGED, UPDATED, CREATED = 1, 2, 3
_CODES = {"BAD_USER_INPUT": "INVALID_VALUE"}
_MENDS = {
    "DANGLING_EDGE": "Bring in the entity first, in this source or an earlier one, or correct the id.",
    "INVALID_VALUE": "Correct the value, or the mapping.",
}


@dataclass(slots=True)
class Written:
    """What a batch did. `ranks` holds, for each row, the best that became of it (1 unchanged, 2 updated, 3 created)."""

    ranks: dict[int, int] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    outside: int = 0
    record_id: int | None = None
    outcomes: list[int] = field(default_factory=list)


def write_entities(ctx: Context, mapped: Mapped, *, at: datetime, origin: str) -> Written:
    """Upsert the entities of a batch, in the caller's transaction, as of `at`."""
    return _write(ctx, mapped, [(given.kind, given.external_id) for given in mapped.inputs], at, origin, edges=False)


def write_edges(ctx: Context, mapped: Mapped, *, at: datetime, origin: str) -> Written:
    """Upsert the edges of a batch, in the caller's transaction, as of `at`."""
    return _write(ctx, mapped, [edge_key(given) for given in mapped.inputs], at, origin, edges=True)


def edge_key(given: EdgeInput) -> tuple[str, ...]:
    """Return what makes two edges of a source the same."""
    if given.external_id:
        return given.kind, given.external_id
    return given.kind, given.source_kind, given.source_external_id, given.target_kind, given.target_external_id


def _write(
    ctx: Context, mapped: Mapped, keys: list[tuple[str, ...]], at: datetime, origin: str, *, edges: bool
) -> Written:
    """Write each key once, as its last row says; rows before it count as unchanged."""
    written = Written(outcomes=[0] * len(mapped.inputs))
    last = {key: index for index, key in enumerate(keys)}
    chosen: Sequence[int] = range(len(keys))
    if len(last) < len(keys):
        chosen = sorted(last.values())
        kept = set(chosen)
        for index in range(len(keys)):
            if index not in kept:
                _note(written, index, mapped.rows[index], UNCHANGED)
        written.duplicates = len(keys) - len(chosen)
    fixed_ctx = ctx.but(clock=fixed(at))
    for start in range(0, len(chosen), MAX_BATCH):
        part = chosen[start : start + MAX_BATCH]
        inputs: list[Any] = [mapped.inputs[index] for index in part]
        result = (graph.upsert_edges if edges else graph.upsert_entities)(fixed_ctx, inputs=inputs, origin=origin)
        written.created += result.created
        written.updated += result.updated
        written.unchanged += result.unchanged
        written.record_id = result.record_id or written.record_id
        for index, row in zip(part, result.rows, strict=True):
            if row is not None:
                rank = UNCHANGED if row.updated_at != at else CREATED if row.version == 1 else UPDATED
                _note(written, index, mapped.rows[index], rank)
        for error in result.errors:
            _tell(written, mapped, part[error.index], error)
    return written


def _note(written: Written, index: int, row: int, rank: int) -> None:
    written.outcomes[index] = rank
    if rank > written.ranks.get(row, 0):
        written.ranks[row] = rank


def _tell(written: Written, mapped: Mapped, index: int, error: InputError) -> None:
    if error.code == "DANGLING_EDGE" and mapped.soft[index]:
        written.outside += 1
        return
    code = _CODES.get(error.code, error.code)
    written.errors.append(
        RowError(
            mapped.rows[index], code, error.message, _MENDS.get(code, ""), column=error.field, part=mapped.parts[index]
        )
    )


def example(given: EntityInput | EdgeInput, outcome: int) -> dict[str, Any]:
    """Return an input as a dry run shows it."""
    shown: dict[str, Any] = {
        "would": {0: "be refused", UNCHANGED: "stay", UPDATED: "be updated", CREATED: "be created"}[outcome]
    }
    if isinstance(given, EntityInput):
        shown |= {"entity": {"kind": given.kind, "externalId": given.external_id, "name": given.name}}
        inner = shown["entity"]
    else:
        ends = {
            "source": {"kind": given.source_kind, "externalId": given.source_external_id},
            "target": {"kind": given.target_kind, "externalId": given.target_external_id},
        }
        shown |= {"edge": {"kind": given.kind, "externalId": given.external_id, **ends}}
        inner = shown["edge"]
    tags = {
        "dataClass": given.data_class,
        "retentionTier": given.retention_tier,
        "redactionPolicy": given.redaction_policy,
        "purposes": given.purposes,
        "licence": given.licence,
        "origin": given.source,
    }
    inner |= {name: value for name, value in tags.items() if value is not None}
    inner["properties"] = given.properties
    return shown
