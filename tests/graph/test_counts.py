"""Counts by kind follow the ledger exactly, and can be put right."""

import random
from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import transaction

from apps.bus import relay
from apps.core import sockets
from apps.core.context import service_context
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.graph import selectors, services, store
from apps.graph.models import KindCount
from apps.graph.services import counting
from apps.graph.types import EdgeInput, EntityInput
from tests.conftest import TenantKit, sequence
from tests.graph.drawing import draw

Settle = Callable[[], None]


def counted(tenant_id: UUID) -> dict[tuple[str, str], int]:
    """What the tables hold, by kind."""
    rows = store.query(
        "select 'entity', kind, count(*) from graph_entity where tenant_id = %s group by kind"
        " union all select 'edge', kind, count(*) from graph_edge where tenant_id = %s group by kind",
        (tenant_id, tenant_id),
    )
    return {(ref_kind, kind): number for ref_kind, kind, number in rows}


def projected(tenant: TenantKit) -> dict[tuple[str, str], int]:
    """What the summary says, by kind."""
    summary = selectors.graph_summary(tenant.ctx)
    assert summary.entity_count == sum(number for _, number in summary.kinds)
    assert summary.edge_count == sum(number for _, number in summary.edge_kinds)
    return {("entity", kind): number for kind, number in summary.kinds} | {
        ("edge", kind): number for kind, number in summary.edge_kinds
    }


def test_counts_follow_whatever_is_written(tenant: TenantKit, settle: Settle) -> None:
    chance = random.Random(7)
    ids: dict[str, UUID] = {}
    for _ in range(12):
        inputs = [EntityInput(chance.choice("ABC"), str(chance.randrange(40))) for _ in range(15)]
        rows = services.upsert_entities(tenant.ctx, inputs=inputs).rows
        ids |= {f"{row.kind}{row.external_id}": row.id for row in rows if row is not None}
        services.upsert_edges(
            tenant.ctx,
            inputs=[
                EdgeInput(
                    chance.choice("xy"),
                    source_id=chance.choice(list(ids.values())),
                    target_id=chance.choice(list(ids.values())),
                )
                for _ in range(15)
            ],
        )
        gone = [ids.pop(name) for name in chance.sample(sorted(ids), 4)]
        services.delete_entities(tenant.ctx, ids=gone)
        if chance.random() < 0.5:
            settle()
    settle()
    assert projected(tenant) == counted(tenant.info.id)
    assert projected(tenant)


def test_a_batch_that_is_delivered_again_is_not_counted_again(tenant: TenantKit) -> None:
    draw(tenant.ctx, ["a", "b"], [("a", "k", "b")])
    sequence()
    subscriber = sockets.SUBSCRIBERS.get(counting.NAME)

    class Dies(Exception):
        pass

    with pytest.raises(Dies), system_scope("bus.relay"), transaction.atomic(using="system"):
        relay.Delivery(subscriber).step()
        raise Dies
    assert projected(tenant) == {}
    relay.drain([subscriber])
    relay.drain([subscriber])
    assert projected(tenant) == counted(tenant.info.id) == {("entity", "Thing"): 2, ("edge", "k"): 1}


def test_a_kind_of_which_none_is_left_is_not_shown(tenant: TenantKit, settle: Settle) -> None:
    drawn = draw(tenant.ctx, ["a", "b"], [("a", "k", "b")])
    services.delete_entities(tenant.ctx, ids=list(drawn.nodes.values()))
    settle()
    summary = selectors.graph_summary(tenant.ctx)
    assert (summary.entity_count, summary.edge_count, summary.kinds, summary.edge_kinds) == (0, 0, [], [])


def test_the_summary_says_how_far_it_is_behind(tenant: TenantKit, settle: Settle) -> None:
    settle()
    before = selectors.graph_summary(tenant.ctx)
    assert (before.projection_lag, before.projections) == (0, {"graph.counts": 0})
    draw(tenant.ctx, ["a", "b"], [("a", "k", "b")])
    sequence()
    behind = selectors.graph_summary(tenant.ctx)
    assert behind.last_number == before.last_number + 2
    assert (behind.projection_lag, behind.projections) == (2, {"graph.counts": 2})
    assert behind.entity_count == 0
    settle()
    assert selectors.projection_lag(tenant.ctx) == {"graph.counts": 0}


def test_wrong_counts_are_put_right_and_right_ones_left(tenant: TenantKit, outsider: TenantKit, settle: Settle) -> None:
    draw(tenant.ctx, ["a", "b", "c"], [("a", "k", "b"), ("b", "k", "c")])
    settle()
    ctx = service_context("test")
    assert counting.recount(ctx, tenant_id=tenant.info.id) == []
    KindCount.objects.filter(kind="Thing").update(count=9)
    KindCount.objects.filter(kind="k").delete()
    KindCount.objects.create(tenant_id=tenant.info.id, ref_kind="edge", kind="never", count=3)
    draw(tenant.ctx, ["d"], [])  # waits for the subscriber: neither counted twice nor missed
    sequence()
    wrong = counting.recount(ctx, tenant_id=tenant.info.id)
    assert [(c.ref_kind, c.kind, c.stood, c.right) for c in wrong] == [
        ("edge", "k", 0, 2), ("edge", "never", 3, 0), ("entity", "Thing", 9, 3),
    ]  # fmt: skip
    assert projected(tenant) == {("entity", "Thing"): 3, ("edge", "k"): 2}
    settle()
    assert projected(tenant) == counted(tenant.info.id)
    assert counting.recount(ctx, tenant_id=outsider.info.id) == []


def test_another_tenants_counts_are_not_seen(tenant: TenantKit, outsider: TenantKit, settle: Settle) -> None:
    draw(tenant.ctx, ["a"], [])
    settle()
    assert selectors.graph_summary(tenant.ctx).entity_count == 1
    assert store.query("select count(*) from graph_kind_count where tenant_id <> %s", (tenant.info.id,)) == [(0,)]
    with no_scope(), tenant_scope(outsider.info.id):
        assert selectors.graph_summary(outsider.ctx).kinds == []
