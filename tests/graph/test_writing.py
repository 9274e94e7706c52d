"""Upserts: only what changes, errors one by one, optimistic versions, one record for all."""

import threading
from typing import Any

import pytest
from django.db import connections
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.bus import selectors as bus
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput
from apps.core.ids import new_id
from apps.core.scope import tenant_scope
from apps.graph import inputs, selectors, services
from apps.graph.types import MAX_BATCH, EdgeInput, EntityInput
from apps.ledger import merkle
from apps.ledger.bodies import item_body
from tests.conftest import TenantKit, make_tenant, sequence


def put(kit: TenantKit, *given: EntityInput, **more: Any) -> Any:
    return services.upsert_entities(kit.ctx, inputs=list(given), **more)


def test_create_update_unchanged(tenant: TenantKit) -> None:
    first = put(tenant, EntityInput("Asset", "a", name="A", properties={"x": 1}), EntityInput("Asset", "b"))
    assert (first.created, first.updated, first.unchanged, first.errors) == (2, 0, 0, [])
    second = put(tenant, EntityInput("Asset", "a", name="A2"), EntityInput("Asset", "b"))
    assert (second.created, second.updated, second.unchanged) == (0, 1, 1)
    row = selectors.entity_by_key(tenant.ctx, "Asset", "a")
    assert row is not None and (row.name, row.properties, row.version, row.id) == ("A2", {"x": 1}, 2, first.rows[0].id)
    assert second.rows[1].version == 1


def test_what_is_not_given_stays(tenant: TenantKit) -> None:
    put(
        tenant,
        EntityInput(
            "Asset",
            "a",
            name="A",
            data_class="personal",
            retention_tier="short-30d",
            purposes=("fraud-risk",),
            redaction_policy="mask",
            subject_keys=("s1",),
            licence="L",
            source="S",
        ),
    )
    put(tenant, EntityInput("Asset", "a", properties={"y": 2}))
    row = selectors.entity_by_key(tenant.ctx, "Asset", "a")
    assert row is not None
    assert (
        row.data_class,
        row.retention_tier,
        row.purposes,
        row.redaction_policy,
        row.subject_keys,
        row.licence,
        row.source,
    ) == ("personal", "short-30d", ("fraud-risk",), "mask", ("s1",), "L", "S")


def test_unchanged_input_touches_nothing(tenant: TenantKit) -> None:
    put(tenant, EntityInput("Asset", "a", name="A"))
    sequence()
    before = bus.after_number(tenant.info.id, 0)
    result = put(tenant, EntityInput("Asset", "a", name="A"))
    sequence()
    assert result.record_id is None
    assert [e.number for e in bus.after_number(tenant.info.id, 0)] == [e.number for e in before]


def test_wrong_inputs_are_named_and_the_rest_is_written(tenant: TenantKit) -> None:
    result = put(
        tenant,
        EntityInput("Asset", "ok"),
        EntityInput("no kind!", "a"),
        EntityInput("Asset", ""),
        EntityInput("Asset", "ok"),
        EntityInput("Asset", "d", data_class="secret"),
        EntityInput("Asset", "p", properties={"n": float("nan")}),
        EntityInput("Asset", "z", name="a\x00b"),
        EntityInput("Asset", "s", name="\ud800"),
        EntityInput("Asset", "v", expected_version=3),
        EntityInput("Asset", "big", properties={"n": 2**60}),
    )
    assert result.created == 1
    assert [(e.index, e.code, e.field) for e in result.errors] == [
        (1, "BAD_USER_INPUT", "kind"),
        (2, "BAD_USER_INPUT", "externalId"),
        (3, "DUPLICATE_KEY", "externalId"),
        (4, "BAD_USER_INPUT", "dataClass"),
        (5, "BAD_USER_INPUT", "properties"),
        (6, "BAD_USER_INPUT", "name"),
        (7, "BAD_USER_INPUT", "name"),
        (8, "NOT_FOUND", "expectedVersion"),
        (9, "BAD_USER_INPUT", "properties"),
    ]
    assert [row is not None for row in result.rows] == [True] + [False] * 9


def test_atomic_refuses_all(tenant: TenantKit) -> None:
    put(tenant, EntityInput("Asset", "there"))
    result = put(tenant, EntityInput("Asset", "new"), EntityInput("Asset", "there", expected_version=9), atomic=True)
    assert (result.created, [e.code for e in result.errors]) == (0, ["STALE_VERSION"])
    assert selectors.entity_by_key(tenant.ctx, "Asset", "new") is None


def test_a_stale_write_is_refused(tenant: TenantKit) -> None:
    put(tenant, EntityInput("Asset", "a", name="1", expected_version=0))
    assert put(tenant, EntityInput("Asset", "a", name="2", expected_version=1)).updated == 1
    stale = put(tenant, EntityInput("Asset", "a", name="3", expected_version=1))
    assert [e.code for e in stale.errors] == ["STALE_VERSION"] and "version 2 stands" in stale.errors[0].message
    assert [e.code for e in put(tenant, EntityInput("Asset", "a", name="4", expected_version=0)).errors] == [
        "STALE_VERSION"
    ]


def test_too_many_at_once(tenant: TenantKit) -> None:
    with pytest.raises(InvalidInput):
        services.upsert_entities(tenant.ctx, inputs=[EntityInput("Asset", str(i)) for i in range(MAX_BATCH + 1)])


def test_edges_find_their_ends(tenant: TenantKit) -> None:
    put(tenant, EntityInput("Asset", "a"), EntityInput("Asset", "b"))
    a = selectors.entity_by_key(tenant.ctx, "Asset", "a")
    assert a is not None
    result = services.upsert_edges(
        tenant.ctx,
        inputs=[
            EdgeInput("rel", source_id=a.id, target_kind="Asset", target_external_id="b"),
            EdgeInput("rel", source_id=a.id, target_id=a.id),
            EdgeInput("rel", source_id=a.id, target_id=new_id()),
            EdgeInput("rel", source_kind="Asset", source_external_id="gone", target_id=a.id),
            EdgeInput("rel", source_kind="Asset", source_external_id="a", target_kind="Asset", target_external_id="b"),
            EdgeInput("rel"),
            EdgeInput("rel", source_id=a.id, source_kind="Asset", source_external_id="a", target_id=a.id),
        ],
    )
    assert result.created == 2
    assert [(e.index, e.code) for e in result.errors] == [
        (2, "DANGLING_EDGE"),
        (3, "DANGLING_EDGE"),
        (4, "DUPLICATE_KEY"),
        (5, "BAD_USER_INPUT"),
        (6, "BAD_USER_INPUT"),
    ]


def test_an_edge_with_an_external_id_may_move(tenant: TenantKit) -> None:
    put(tenant, *(EntityInput("Asset", x) for x in "abc"))
    ends = {"source_kind": "Asset", "source_external_id": "a", "target_kind": "Asset"}
    first = services.upsert_edges(tenant.ctx, inputs=[EdgeInput("rel", "r1", target_external_id="b", **ends)])
    moved = services.upsert_edges(tenant.ctx, inputs=[EdgeInput("rel", "r1", target_external_id="c", **ends)])
    assert (moved.updated, moved.rows[0].id, moved.rows[0].version) == (1, first.rows[0].id, 2)


def test_deleting_takes_the_edges_and_respects_holds(tenant: TenantKit) -> None:
    made = put(
        tenant,
        EntityInput("Asset", "a"),
        EntityInput("Asset", "b"),
        EntityInput("Asset", "held", retention_tier="legal-hold"),
    )
    a, b, held = (row.id for row in made.rows)
    services.upsert_edges(
        tenant.ctx, inputs=[EdgeInput("rel", source_id=a, target_id=b), EdgeInput("rel", source_id=a, target_id=a)]
    )
    with pytest.raises(Conflict):
        services.delete_entities(tenant.ctx, ids=[a, held])
    assert selectors.get_entity(tenant.ctx, a) is not None
    unknown = new_id()
    result = services.delete_entities(tenant.ctx, ids=[a, unknown, a])
    assert (result.deleted, result.edges_deleted, result.unknown) == (1, 2, [str(unknown)])
    assert selectors.edges_of(tenant.ctx, entity_id=b, direction="in").rows == []
    sequence()
    ops = [(item.ref_kind, item.op) for event in bus.after_number(tenant.info.id, 0) for _, item in event.items]
    assert ops[-3:] == [("edge", "deleted"), ("edge", "deleted"), ("entity", "deleted")]


def test_a_batch_is_one_record_with_the_root_over_its_items(tenant: TenantKit) -> None:
    put(tenant, *(EntityInput("Asset", f"e{i}") for i in range(7)))
    sequence()
    [event] = [e for e in bus.after_number(tenant.info.id, 0) if e.type == "graph.entities.upserted"]
    assert event.item_count == 7 and event.data == {"created": 7, "updated": 0, "origin": ""}
    from apps.ledger import selectors as ledger

    record = ledger.record(tenant.info.id, event.number)
    assert record is not None
    root = merkle.root([merkle.leaf_hash(item_body(item)) for _, item in event.items]).hex()
    assert f'"root":"{root}"'.encode() in record.body


def test_history_shows_each_version(tenant: TenantKit) -> None:
    for name in ("one", "two", "three"):
        put(tenant, EntityInput("Asset", "a", name=name))
    sequence()
    row = selectors.entity_by_key(tenant.ctx, "Asset", "a")
    assert row is not None
    seen = selectors.history(tenant.ctx, row.id)
    assert [(r.version, r.op, r.document and r.document["name"]) for r in seen] == [
        (3, "updated", "three"),
        (2, "updated", "two"),
        (1, "created", "one"),
    ]


@pytest.mark.slow
def test_many_writers_of_the_same_entities_lose_no_update() -> None:
    kit = make_tenant()
    failures: list[BaseException] = []
    applied = [0] * 8

    def work(number: int) -> None:
        ctx: Context = kit.ctx
        try:
            with tenant_scope(kit.info.id):
                for round_ in range(15):
                    result = services.upsert_entities(
                        ctx,
                        inputs=[
                            EntityInput("Asset", key, properties={"by": number, "round": round_})
                            for key in ("c", "a", "b")
                        ],
                    )
                    applied[number] += result.created + result.updated
                    services.upsert_edges(
                        ctx,
                        inputs=[
                            EdgeInput(
                                "rel",
                                source_kind="Asset",
                                source_external_id="a",
                                target_kind="Asset",
                                target_external_id="b",
                                properties={"by": number, "round": round_},
                            )
                        ],
                    )
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with tenant_scope(kit.info.id):
        versions = [selectors.entity_by_key(kit.ctx, "Asset", key) for key in ("a", "b", "c")]
        assert sum(row.version for row in versions if row) == sum(applied) == 8 * 15 * 3


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2**53), 2**53, allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12),
        JSON,
        max_size=5,
    )
)
def test_properties_come_back_as_they_went_in(properties: dict[str, Any]) -> None:
    assert inputs.property_fault(properties) == ""
    kit = ROUND_TRIP[0] if ROUND_TRIP else make_tenant()
    ROUND_TRIP[:] = [kit]
    with tenant_scope(kit.info.id):
        put(kit, EntityInput("Asset", "h", properties=properties))
        row = selectors.entity_by_key(kit.ctx, "Asset", "h")
        again = put(kit, EntityInput("Asset", "h", properties=properties))
    assert row is not None and row.properties == properties
    assert again.unchanged == 1


ROUND_TRIP: list[TenantKit] = []


@pytest.mark.parametrize("number", [3.542007700285453e16, 1e300, -1.5e-300, 5e-324])
def test_large_and_small_numbers_come_back_as_the_same_double(tenant: TenantKit, number: float) -> None:
    put(tenant, EntityInput("Asset", "f", properties={"n": number}))
    row = selectors.entity_by_key(tenant.ctx, "Asset", "f")
    assert row is not None and float(row.properties["n"]) == number
