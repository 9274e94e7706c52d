"""With 100,000 entities lists open with few statements, none of which reads them all, and page by key."""

import re
from collections.abc import Iterator

import pytest
from django.db import connections

from apps.core.ids import new_id
from apps.core.scope import no_scope
from tests.admin.staff import Staff, staff, statements, text_of, words_of
from tests.conftest import TenantKit, make_tenant

ROWS = 100_000
LARGE = 40_000
"""Most rows that a plan may expect to read: far below what is there."""

_FILL = """
insert into graph_entity (id, tenant_id, kind, external_id, name, region, properties, data_class, retention_tier,
  redaction_policy, purposes, licence, source, subject_keys, version, content_hash, created_at, updated_at)
select gen_random_uuid(), %s, case when n %% 100 = 0 then 'Rare' else 'Common' end, 'x-' || n, 'Name ' || n, 'eu-west-1',
  '{}', 'public', 'standard-365d', 'none', '{}', '', 'test', '{}', 1, '\\x00', now(), now()
from generate_series(1, %s) n
"""


@pytest.fixture(scope="module")
def crowd() -> Iterator[TenantKit]:
    """A tenant with 100,000 entities, which other tests of this process do not get to see."""
    kit = make_tenant()
    with no_scope(), connections["owner"].cursor() as cursor:
        cursor.execute(_FILL, (kit.info.id, ROWS))
        cursor.execute("analyze graph_entity")
    yield kit
    with no_scope(), connections["owner"].cursor() as cursor:
        cursor.execute("delete from graph_entity where tenant_id = %s", (kit.info.id,))
        cursor.execute("analyze graph_entity")


@pytest.fixture(scope="module")
def somebody() -> Staff:
    one = staff("operator")
    one.get("/admin/")
    return one


ENTRY, ROWS_AND_LABELS = 4, 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "extra", "says"),
    [
        ("", 1, "about"),  # the table's estimate
        ("?tenant={slug}", 2, "about"),  # the tenant, the planner's estimate
        ("?tenant={slug}&kind=Common", 2, "about"),
        ("?tenant={slug}&kind=Rare", 3, "1,000 entities"),  # few enough to be counted
        ("?tenant={slug}&q=x-77", 2, "1 entity"),  # the tenant, whether an external id fits
    ],
)
def test_a_list_of_very_many_opens_with_a_pinned_number_of_statements(
    crowd: TenantKit, somebody: Staff, query: str, extra: int, says: str
) -> None:
    with statements() as sql:
        answer = somebody.get(f"/admin/graph/entity/{query.format(slug=crowd.info.slug)}")
    assert answer.status_code == 200
    assert says in words_of(answer)
    assert len(sql) == ENTRY + ROWS_AND_LABELS + extra, "\n".join(sql)
    for one in sql:
        if "graph_entity" in one and not one.startswith(("EXPLAIN", "select reltuples")):
            assert re.search(r"\bLIMIT \d+", one), one
            assert rows_read(one) < LARGE, one


def rows_read(sql: str) -> float:
    """Return how many rows the costliest node of the statement's plan reads, as the system role's planner sees it."""
    with no_scope(), connections["owner"].cursor() as cursor:
        cursor.execute(f"explain (analyze, format json) {sql}")
        plan = cursor.fetchone()[0][0]["Plan"]
    most, nodes = 0.0, [plan]
    while nodes:
        node = nodes.pop()
        removed = node.get("Rows Removed by Filter", 0)
        most = max(most, (node["Actual Rows"] + removed) * node["Actual Loops"])
        nodes += node.get("Plans", [])
    return most


@pytest.mark.slow
def test_pages_go_forth_and_back_by_key_and_miss_nothing(crowd: TenantKit, somebody: Staff) -> None:
    def ids(page: str) -> list[str]:
        return re.findall(r'class="row-link" href="/admin/graph/entity/([0-9a-f-]{36})/change/"', page)

    def link(page: str, rel: str) -> str:
        found = re.search(rf'href="(\?[^"]*)" rel="{rel}"', page)
        assert found, f"no {rel} link"
        return "/admin/graph/entity/" + found[1].replace("&amp;", "&")

    first = text_of(somebody.get(f"/admin/graph/entity/?tenant={crowd.info.slug}&kind=Rare"))
    pages = [first]
    for _ in range(19):
        pages.append(text_of(somebody.get(link(pages[-1], "next"))))
    seen = [one for page in pages for one in ids(page)]
    assert len(seen) == len(set(seen)) == 1000
    assert seen == sorted(seen, reverse=True)
    assert 'rel="next"' not in pages[-1] and 'rel="prev"' not in pages[0]
    assert ids(text_of(somebody.get(link(pages[7], "prev")))) == ids(pages[6])
    assert ids(text_of(somebody.get(link(pages[1], "prev")))) == ids(pages[0])


@pytest.mark.slow
def test_the_front_page_does_not_grow_with_the_data(crowd: TenantKit, somebody: Staff) -> None:
    with statements() as sql:
        assert somebody.get("/admin/").status_code == 200
    assert len(sql) <= 16
    assert not any("graph_entity" in one for one in sql)


def test_a_key_that_names_no_row_still_pages(somebody: Staff) -> None:
    assert somebody.get(f"/admin/graph/entity/?after={new_id()}").status_code == 200
    assert "Nothing here" in words_of(somebody.get("/admin/graph/entity/?after=00000000-0000-0000-0000-000000000000"))
