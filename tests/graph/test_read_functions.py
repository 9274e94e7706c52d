"""The functions that read with more rights than their caller: no tenant, another tenant, hostile text."""

import os
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from apps.bus.management.commands.relay import system_conninfo
from apps.core.scope import no_scope, tenant_scope
from apps.graph import services
from apps.graph.models import Entity
from apps.graph.types import EntityInput
from tests.conftest import TenantKit, make_tenant

NIL = UUID(int=0)
MATCH = "select * from ig_match_entities(%s::tsquery, %s::jsonpath, %s::text[], %s, %s)"
SEARCH = "select id from ig_search_entities(%s::tsquery, %s::tsquery, %s)"


@pytest.fixture(scope="module")
def pair() -> tuple[TenantKit, TenantKit]:
    """Two tenants with the same contents under the same keys."""
    mine, other = make_tenant(), make_tenant()
    for kit in (mine, other):
        with no_scope(), tenant_scope(kit.info.id):
            services.upsert_entities(
                kit.ctx,
                inputs=[
                    EntityInput("Asset", f"a{n}", name=f"shared word {n}", properties={"n": n}, data_class="public")
                    for n in range(4)
                ],
            )
    return mine, other


@pytest.fixture
def session() -> Iterator[psycopg.Connection]:
    """A raw session of the application role, with no tenant set."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        yield connection


def own_ids(kit: TenantKit) -> set[UUID]:
    with no_scope(), tenant_scope(kit.info.id):
        return set(Entity.objects.values_list("id", flat=True))


def enter(session: psycopg.Connection, tenant: str) -> None:
    session.execute("select set_config('ig.tenant', %s, true)", (tenant,))


def everything(session: psycopg.Connection) -> list[set[UUID]]:
    """What each function finds when asked for anything at all."""
    asked = [
        (MATCH, (None, None, None, NIL, 10)), (MATCH, (None, None, None, NIL, 5000)),
        (MATCH, (None, "1 == 1", None, NIL, 10)), (MATCH, (None, "$.n >= 0", None, NIL, 10)),
        (MATCH, (None, "$.n >= 0", None, NIL, 5000)), (MATCH, ("'k:Asset'", None, None, NIL, 10)),
        (MATCH, (None, None, ["Asset"], NIL, 10)), (SEARCH, ("'share':*", None, 10)),
        (SEARCH, ("'shared'", "'k:Asset'", 10)),
    ]  # fmt: skip
    return [{row[0] for row in session.execute(sql, params)} for sql, params in asked]


@pytest.mark.parametrize("unset", [True, False])
def test_without_a_tenant_nothing_is_found(
    session: psycopg.Connection, pair: tuple[TenantKit, TenantKit], unset: bool
) -> None:
    if not unset:
        enter(session, "")
    assert everything(session) == [set()] * 9


def test_a_tenant_that_does_not_exist_finds_nothing(
    session: psycopg.Connection, pair: tuple[TenantKit, TenantKit]
) -> None:
    enter(session, "01980000-0000-7000-8000-000000000000")
    assert everything(session) == [set()] * 9


@pytest.mark.parametrize("which", [0, 1])
def test_each_tenant_finds_its_own(session: psycopg.Connection, pair: tuple[TenantKit, TenantKit], which: int) -> None:
    enter(session, str(pair[which].info.id))
    assert everything(session) == [own_ids(pair[which])] * 9


HOSTILE_TAGS = [
    "'t:{other}'",
    "'t:{other}' | 'k:Asset'",
    "!'t:{mine}'",
    "'t:{other}' & !'t:{mine}'",
    "!'nothing'",
    "'t:':*",
]


@pytest.mark.parametrize("hostile", HOSTILE_TAGS)
def test_tags_that_name_another_tenant_find_no_more(
    session: psycopg.Connection, pair: tuple[TenantKit, TenantKit], hostile: str
) -> None:
    mine, other = pair
    enter(session, str(mine.info.id))
    query = hostile.format(mine=mine.info.id, other=other.info.id)
    foreign = own_ids(other)
    for limit in (10, 5000):
        for path in (None, "1 == 1"):
            assert not {row[0] for row in session.execute(MATCH, (query, path, None, NIL, limit))} & foreign
        assert not {row[0] for row in session.execute(SEARCH, (query, None, limit))} & foreign
        assert not {row[0] for row in session.execute(SEARCH, ("'shared'", query, limit))} & foreign


@pytest.mark.parametrize(
    "path",
    [
        "1 == 1",
        '$.* like_regex ".*"',
        "$.** == 1 || 1 == 1",
        "!(exists($.nope))",
        "$.\"a' or '1'='1\" == 1",
        "exists($)",
    ],
)
def test_any_path_finds_own_rows_only(
    session: psycopg.Connection, pair: tuple[TenantKit, TenantKit], path: str
) -> None:
    mine, other = pair
    enter(session, str(mine.info.id))
    for limit in (10, 5000):
        found = {row[0] for row in session.execute(MATCH, (None, path, None, NIL, limit))}
        assert not found & own_ids(other)


@pytest.mark.parametrize(
    "kind", ["Asset' or true --", "') or ('1'='1", "{Asset}", 'x"; drop table graph_entity; --', "%s", "$1"]
)
def test_kinds_are_values_never_statements(
    session: psycopg.Connection, pair: tuple[TenantKit, TenantKit], kind: str
) -> None:
    enter(session, str(pair[0].info.id))
    assert session.execute(MATCH, (None, None, [kind], NIL, 10)).fetchall() == []
    assert len(session.execute(MATCH, (None, None, [kind, "Asset"], NIL, 10)).fetchall()) == 4


def test_a_tenant_that_is_no_id_is_refused(session: psycopg.Connection) -> None:
    enter(session, "x' or true --")
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        session.execute(MATCH, (None, None, None, NIL, 10))


def test_temporary_objects_cannot_stand_in(session: psycopg.Connection, pair: tuple[TenantKit, TenantKit]) -> None:
    mine = pair[0]
    enter(session, str(mine.info.id))
    session.execute("create temporary table graph_entity (id uuid, tenant_id uuid, search tsvector, kind text)")
    session.execute("create domain pg_temp.uuid as text")
    found = [row[0] for row in session.execute("select * from ig_match_entities(null, null, null, %s, 10)", (NIL,))]
    assert set(found) == own_ids(mine)


def test_the_functions_can_do_no_more_than_read_one_table() -> None:
    with psycopg.connect(system_conninfo()) as connection:
        functions = connection.execute(
            "select p.proname, p.prosecdef, p.provolatile, r.rolname, p.proconfig,"
            " has_function_privilege('public', p.oid, 'execute'), has_function_privilege('ig_app', p.oid, 'execute')"
            " from pg_proc p join pg_roles r on r.oid = p.proowner where p.prosecdef and p.pronamespace = 'public'::regnamespace"
            " order by 1"
        ).fetchall()
        assert [row[0] for row in functions] == ["ig_match_entities", "ig_search_entities"]
        for _, definer, volatility, owner, config, for_all, for_app in functions:
            assert (definer, volatility, owner, for_all, for_app) == (True, "s", "ig_reader", False, True)
            assert "search_path=pg_catalog, public, pg_temp" in config
        reader = connection.execute(
            "select rolcanlogin, rolsuper, rolbypassrls from pg_roles where rolname = 'ig_reader'"
        )
        assert reader.fetchone() == (False, False, False)
        rights = connection.execute(
            "select c.relname, x from pg_class c, unnest(array['select', 'insert', 'update', 'delete', 'truncate']) x"
            " where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace"
            " and has_table_privilege('ig_reader', c.oid, x)"
        ).fetchall()
        assert rights == [("graph_entity", "select")]
