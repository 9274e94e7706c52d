"""What an entity's page says beside the entity itself: its relations by kind, its history, where it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.urls import reverse

from apps.core.context import Context
from apps.core.scope import require_tenant_id
from apps.graph import selectors as graph
from apps.graph.types import EdgeRow, EntityRow
from apps.ledger import selectors as ledger
from apps.ledger.types import Item, LinkedRecord
from apps.policy.selectors import visibility
from apps.policy.types import Clearance, Treatment
from apps.portal import actors, kinds, licences, shown
from apps.portal.types import Proof, ProofState, Provenance, TimelineItem, Withheld

FIRST_OF_GROUP = 9
HISTORY = 15
_OPS = {"created": ("Created", "circle-plus"), "updated": ("Changed", "pencil"), "deleted": ("Deleted", "trash-2")}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The other end of an edge."""

    name: str
    kind: str
    icon: str
    href: str


@dataclass(frozen=True, slots=True)
class RelationGroup:
    """Edges of one kind in one direction: the first ones, how many there are, where all of them stand."""

    direction: str
    kind: str
    count: int
    neighbours: tuple[Neighbour, ...]
    href: str
    withheld: Withheld | None = None
    open: bool = True

    @property
    def more(self) -> int:
        """How many are not among the first."""
        hidden = self.withheld.count if self.withheld else 0
        return max(0, self.count - len(self.neighbours) - hidden)


def far_ends(
    ctx: Context, edges: Sequence[EdgeRow], direction: str, clearance: Clearance
) -> tuple[list[tuple[EdgeRow, shown.Shown]], Withheld | None]:
    """Return (edge, the entity at its other end) of those that the viewer may see, and the mark of the others."""
    ids = [edge.target_id if direction == "out" else edge.source_id for edge in edges]
    rows = graph.entities_by_ids(ctx, ids)
    seen: list[tuple[EdgeRow, shown.Shown]] = []
    reasons: list[str] = []
    for edge, far_id in zip(edges, ids, strict=True):
        edge_sight = visibility(shown.tags_of(edge), clearance)
        row = rows.get(far_id)
        if edge_sight.treatment is Treatment.WITHHOLD:
            reasons.append(edge_sight.reason)
        elif row is not None:
            far = shown.entity(row, clearance, require_tenant_id().bytes)
            if far.withheld:
                reasons.append(far.visibility.reason)
            else:
                seen.append((edge, far))
    mark = Withheld(len(reasons), " and ".join(sorted(set(reasons))), ask=shown.ASK) if reasons else None
    return seen, mark


def relations(ctx: Context, entity_id: UUID, clearance: Clearance) -> tuple[RelationGroup, ...]:
    """Return the entity's relations, grouped by direction and kind, each with its first neighbours."""
    groups: list[RelationGroup] = []
    for direction, kind, count in graph.edge_kinds_of(ctx, entity_id):
        edges = graph.edges_of_many(ctx, [entity_id], direction=direction, kind=kind, each=FIRST_OF_GROUP)[entity_id]
        seen, mark = far_ends(ctx, edges, direction, clearance)
        groups.append(
            RelationGroup(
                direction=direction,
                kind=kind,
                count=count,
                neighbours=tuple(
                    Neighbour(
                        far.name,
                        far.row.kind,
                        kinds.icon_of(far.row.kind),
                        reverse("portal:entity", args=[ctx.tenant_slug, far.row.id]),
                    )
                    for _, far in seen
                ),
                href=reverse("portal:relations", args=[ctx.tenant_slug, entity_id, direction, kind]),
                withheld=mark,
                open=len(groups) < 4,
            )
        )
    return tuple(groups)


def proof_of(ctx: Context, record: LinkedRecord, *, linked: bool) -> Proof:
    """Return the chip of a numbered record; `linked` when the viewer may open the ledger."""
    href = reverse("portal:record", args=[ctx.tenant_slug, record.number]) if linked else ""
    return Proof(ProofState.SEALED, record.hash.hex(), record.number, href=href)


def history(ctx: Context, row: EntityRow, clearance: Clearance, *, may_open_ledger: bool) -> tuple[TimelineItem, ...]:
    """Return the newest changes of the entity, newest first, each with what it changed.

    The last version may still wait for its number: it stands first, with a mark that says so.
    """
    found = ledger.history_of(require_tenant_id(), row.id, limit=HISTORY)
    known = graph.documents(
        require_tenant_id(), [(row.id, version) for _, _, item in found for version in (item.version, item.version - 1)]
    )
    names = actors.names_of(ctx, {record.actor for record, _, _ in found})
    hidden = visibility(shown.tags_of(row), clearance).treatment is not Treatment.CLEAR
    items = [
        _event(ctx, row.id, record, item, known, names, hidden=hidden, linked=may_open_ledger)
        for record, _, item in found
    ]
    newest = found[0][2].version if found else 0
    if row.version > newest:
        items.insert(
            0,
            TimelineItem(
                "Changed", row.updated_at, icon="pencil", note=f"version {row.version}", proof=Proof(ProofState.WAITING)
            ),
        )
    return tuple(items)


def _event(
    ctx: Context,
    ref_id: UUID,
    record: LinkedRecord,
    item: Item,
    known: Mapping[tuple[UUID, int], dict[str, Any]],
    names: Mapping[str, str],
    *,
    hidden: bool,
    linked: bool,
) -> TimelineItem:
    title, icon = _OPS.get(item.op, (item.op.capitalize(), "circle-dot"))
    origin = str(orjson.loads(record.body).get("data", {}).get("origin", ""))
    before, after = known.get((ref_id, item.version - 1)), known.get((ref_id, item.version))
    changed = shown.changes(before, after, hidden=hidden) if before is not None and after is not None else ()
    if item.op == "created" and origin:
        title, icon = "Brought in", "import"
    note = f"version {item.version}"
    if after is None and item.op != "deleted":
        note += ", content erased"
    return TimelineItem(
        title,
        record.at,
        names.get(record.actor, record.actor),
        icon,
        note,
        proof_of(ctx, record, linked=linked),
        changed,
    )


def provenance(row: EntityRow, items: Sequence[TimelineItem]) -> Provenance:
    """Return where the entity comes from; who brought it in, when its history still reaches back to that."""
    first = items[-1] if items and items[-1].icon in {"circle-plus", "import"} else None
    notice = licences.notice_of(row.licence)
    return Provenance(
        source=row.source,
        licence=notice.name if notice else "",
        at=row.created_at,
        actor=first.actor if first else "",
        notice=notice.notice if notice else "",
    )
