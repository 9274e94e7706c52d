"""Lists, filters, search and cursors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import InvalidInput
from apps.core.scope import tenant_scope
from apps.graph import filters, selectors, services
from apps.graph.types import EntityInput
from tests.conftest import TenantKit, make_tenant


@pytest.fixture(scope="module")
def kit() -> TenantKit:
    kit = make_tenant()
    rows = [
        EntityInput(
            "Person" if i % 3 == 0 else "Asset",
            f"x{i:03}",
            name=f"Name {i:03}",
            properties={"n": i, "tags": ["t", f"g{i % 4}"], "q'\"\\": "odd"},
            data_class="personal" if i % 10 == 0 else "internal",
            purposes=("fraud-risk",) if i % 5 == 0 else (),
            source=f"s{i % 2}",
        )
        for i in range(120)
    ]
    with tenant_scope(kit.info.id):
        services.upsert_entities(kit.ctx, inputs=rows)
        services.upsert_entities(
            kit.ctx,
            inputs=[
                EntityInput(
                    "Doc", "d'1\\", name="O'Brien \\ Sons & Co | (x) !y", properties={"description": "café Überweisung"}
                )
            ],
        )
    return kit


def names(kit: TenantKit, **query: Any) -> list[str]:
    """Walk every page and return the names, checking that pages neither repeat nor skip."""
    found: list[str] = []
    after = None
    with tenant_scope(kit.info.id):
        for _ in range(200):
            page = selectors.list_entities(kit.ctx, first=query.pop("first", 7), after=after, **query)
            found += [row.name for row in page.rows]
            if not page.has_next:
                break
            after = page.cursors[-1]
        else:
            raise AssertionError("the pages do not end")
    assert len(found) == len(set(found))
    return found


def oracle(test: Any) -> set[str]:
    return {f"Name {i:03}" for i in range(120) if test(i)}


@pytest.mark.parametrize(
    ("wanted", "test"),
    [
        ({"kind": "Person"}, lambda i: i % 3 == 0),
        ({"kind": {"in": ["Person", "Nothing"]}}, lambda i: i % 3 == 0),
        ({"name": {"prefix": "Name 01"}}, lambda i: 10 <= i < 20),
        (
            {"name": {"gte": "Name 110"}, "externalId": {"lt": "x115"}, "kind": {"in": ["Person", "Asset"]}},
            lambda i: 110 <= i < 115,
        ),
        ({"dataClass": "personal"}, lambda i: i % 10 == 0),
        ({"dataClass": "personal", "name": {"prefix": "Name 0"}}, lambda i: i % 10 == 0 and i < 100),
        ({"purposes": "fraud-risk", "source": {"in": ["s1"]}}, lambda i: i % 5 == 0 and i % 2 == 1),
        ({"properties.n": 7}, lambda i: i == 7),
        ({"properties.n": {"in": [7, 9, "x"]}}, lambda i: i in (7, 9)),
        ({"properties.n": {"gt": 5, "lte": 9}}, lambda i: 5 < i <= 9),
        ({"properties.n": {"gt": -1}, "kind": "Person"}, lambda i: i % 3 == 0),
        ({"properties.tags": "g3"}, lambda i: i % 4 == 3),
        ({"properties.n": {"exists": True}}, lambda i: True),
        ({"properties.q'\"\\": {"prefix": "od"}}, lambda i: True),
        ({"version": {"gte": 1}, "kind": {"in": ["Person", "Asset"]}}, lambda i: True),
        ({"updatedAt": {"gt": "2000-01-01T00:00:00Z"}, "kind": {"prefix": "P"}}, lambda i: i % 3 == 0),
        ({"name": {"prefix": "Name 1\U0010fffe"}}, lambda i: False),
    ],
)
def test_filters_agree_with_plain_python(kit: TenantKit, wanted: dict[str, Any], test: Any) -> None:
    assert set(names(kit, filters_=wanted)) == oracle(test)


@pytest.mark.parametrize("order", ["id", "name", "updatedAt", "externalId"])
@pytest.mark.parametrize("descending", [False, True])
def test_every_order_is_complete(kit: TenantKit, order: str, descending: bool) -> None:
    found = names(kit, order=order, descending=descending, kind="Asset")
    assert set(found) == oracle(lambda i: i % 3)
    if order == "name":
        assert found == sorted(found, reverse=descending)


def test_pages_stay_correct_under_writes(kit: TenantKit) -> None:
    other = make_tenant()
    with tenant_scope(other.info.id):
        services.upsert_entities(other.ctx, inputs=[EntityInput("A", f"{i:02}", name=f"{i:02}") for i in range(20)])
        first = selectors.list_entities(other.ctx, first=10, order="name")
        services.delete_entities(other.ctx, ids=[first.rows[-1].id])
        services.upsert_entities(other.ctx, inputs=[EntityInput("A", "new", name="05a")])
        rest = selectors.list_entities(other.ctx, first=50, order="name", after=first.cursors[-1])
    assert [row.name for row in rest.rows] == [f"{i:02}" for i in range(10, 20)]


@pytest.mark.parametrize(
    "bad",
    [
        {"nope": 1},
        {"name": {"like": "x"}},
        {"name": 5},
        {"kind": None},
        {"properties.": 1},
        {"properties.n": {"in": []}},
        {"properties.n": {"in": "x"}},
        {"properties.n": {"gt": None}},
        {"properties.n": {"eq": {"a": 1}}},
        {"updatedAt": "yesterday"},
        {"version": 1.5},
        {"version": True},
        {"version": 2**40},
        {"name": {}},
        {"purposes": {"prefix": "x"}},
        [],
        "x",
        5,
        {"name": "a\x00"},
        {"name": {"prefix": 3}},
        {"name": {"exists": 1}},
        {"properties.n": {"eq": float("inf")}},
        {f"properties.p{i}": 1 for i in range(30)},
        {"updatedAt": {"gt": "0001-01-01T00:00:00+23:59"}},
        {"name": "\ud800"},
    ],
)
def test_bad_filters_are_refused_with_a_reason(kit: TenantKit, bad: Any) -> None:
    with tenant_scope(kit.info.id), pytest.raises(InvalidInput) as refused:
        selectors.list_entities(kit.ctx, filters_=bad)
    assert refused.value.field == "filters" and len(refused.value.message) > 5


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!", "AAAA", "bnVsbA", "W10", "WyJpZCIsbnVsbCwieCJd", "é" * 5, "W251bGwsbnVsbCxudWxsXQ"]
)
def test_bad_cursors_are_refused(kit: TenantKit, cursor: str) -> None:
    with tenant_scope(kit.info.id), pytest.raises(InvalidInput):
        selectors.list_entities(kit.ctx, after=cursor)


def test_a_cursor_of_another_order_is_refused(kit: TenantKit) -> None:
    with tenant_scope(kit.info.id):
        page = selectors.list_entities(kit.ctx, order="name", first=2)
        with pytest.raises(InvalidInput):
            selectors.list_entities(kit.ctx, order="updatedAt", after=page.cursors[-1])


def found(kit: TenantKit, q: str, **more: Any) -> list[str]:
    with tenant_scope(kit.info.id):
        return [hit.entity.name for hit in selectors.search(kit.ctx, q=q, **more).hits]


def test_search_ranks_names_and_takes_prefixes(kit: TenantKit) -> None:
    assert found(kit, "name 007") == ["Name 007"]
    assert set(found(kit, "name 01")) == {f"Name {i:03}" for i in range(10, 20)}
    assert found(kit, "O'Brien") == ["O'Brien \\ Sons & Co | (x) !y"]
    assert found(kit, "café") == found(kit, "überw") == ["O'Brien \\ Sons & Co | (x) !y"]
    assert found(kit, "name", filters_={"kind": "Person", "properties.n": {"lt": 4}}) == ["Name 000", "Name 003"]


def test_search_pages_are_complete(kit: TenantKit) -> None:
    seen: list[str] = []
    after = None
    with tenant_scope(kit.info.id):
        while True:
            page = selectors.search(kit.ctx, q="name", first=9, after=after)
            seen += [hit.entity.name for hit in page.hits]
            if not page.has_next:
                break
            after = page.cursors[-1]
    assert len(seen) == len(set(seen)) == 120


@pytest.mark.parametrize("q", ["", "   ", "'", "\\", "&|!", "x" * 401, "\x00", "\ud800"])
def test_queries_without_a_word_are_refused(kit: TenantKit, q: str) -> None:
    with tenant_scope(kit.info.id), pytest.raises(InvalidInput):
        selectors.search(kit.ctx, q=q)


@given(st.text(max_size=60))
def test_any_text_is_searched_or_refused(q: str) -> None:
    kit = HOSTILE[0] if HOSTILE else make_tenant()
    HOSTILE[:] = [kit]
    with tenant_scope(kit.info.id):
        try:
            assert selectors.search(kit.ctx, q=q).hits == []
        except InvalidInput as refused:
            assert refused.field == "q"


HOSTILE: list[TenantKit] = []

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.lists(st.text(max_size=3), max_size=2)
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["name", "kind", "dataClass", "purposes", "updatedAt", "version", "properties.a", "properties.\"'\\", "zzz"]
        )
        | st.text(max_size=6),
        VALUES | st.dictionaries(st.sampled_from(filters.OPERATORS) | st.text(max_size=4), VALUES, max_size=2),
        max_size=3,
    )
)
def test_any_filter_is_answered_or_refused(wanted: dict[str, Any]) -> None:
    kit = HOSTILE[0] if HOSTILE else make_tenant()
    HOSTILE[:] = [kit]
    with tenant_scope(kit.info.id):
        try:
            assert selectors.list_entities(kit.ctx, filters_=wanted).rows == []
        except InvalidInput as refused:
            assert refused.field == "filters"
