"""How many entities and edges of each kind a tenant has: kept current from the ledger's items."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.bus import services as bus
from apps.bus.types import Delivered
from apps.core.context import Context
from apps.graph import store
from apps.ledger import selectors as ledger

NAME = "graph.counts"
_STEP = {"created": 1, "deleted": -1}
_REF_KINDS = frozenset({"entity", "edge"})
ADD = """
insert into graph_kind_count (tenant_id, ref_kind, kind, count)
select t, r, k, n from unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[]) as x(t, r, k, n)
on conflict (tenant_id, ref_kind, kind) do update set count = graph_kind_count.count + excluded.count
"""


@dataclass(frozen=True, slots=True)
class Correction:
    """A count that was wrong: what stood there and what the ledger says."""

    ref_kind: str
    kind: str
    stood: int
    right: int


def count(events: Sequence[Delivered]) -> None:
    """Add what the events created and take away what they deleted. Once each: the caller's transaction moves the cursor."""
    steps: Counter[tuple[UUID, str, str]] = Counter()
    for event in events:
        for _, item in event.items:
            if item.ref_kind in _REF_KINDS:
                steps[event.tenant_id, item.ref_kind, item.kind] += _STEP.get(item.op, 0)
    changed = sorted((key, step) for key, step in steps.items() if step)
    if changed:
        store.execute(
            ADD,
            (
                [key[0] for key, _ in changed],
                [key[1] for key, _ in changed],
                [key[2] for key, _ in changed],
                [step for _, step in changed],
            ),
        )


def recount(ctx: Context, *, tenant_id: UUID) -> list[Correction]:
    """Count a tenant's ledger anew up to the subscriber's cursor and put wrong counts right; return the corrections.

    Deliveries wait meanwhile, so nothing is counted twice or missed.
    """
    with bus.holding(NAME) as position:
        right = {
            key: number
            for key, number in ledger.tally(tenant_id, up_to_position=position).items()
            if key[0] in _REF_KINDS and number
        }
        stood = {
            (ref_kind, kind): int(number)
            for ref_kind, kind, number in store.query(
                "select ref_kind, kind, count from graph_kind_count where tenant_id = %s", (tenant_id,)
            )
        }
        wrong = [
            Correction(key[0], key[1], stood=stood.get(key, 0), right=right.get(key, 0))
            for key in sorted(stood.keys() | right.keys())
            if stood.get(key, 0) != right.get(key, 0)
        ]
        if wrong:
            store.execute(
                ADD,
                (
                    [tenant_id] * len(wrong),
                    [c.ref_kind for c in wrong],
                    [c.kind for c in wrong],
                    [c.right - c.stood for c in wrong],
                ),
            )
    return wrong
