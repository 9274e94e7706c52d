"""The database itself refuses another tenant's rows."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.checks import run_checks
from django.db import InternalError, ProgrammingError, connection, connections, models, transaction

from apps.core.errors import NoTenantScope
from apps.core.rowsecurity import EnableRowSecurity, tables_without_policy
from apps.core.scope import current_tenant_id, no_scope, system_scope, tenant_scope
from apps.graph import selectors, services
from apps.graph.models import Entity
from apps.graph.types import EdgeInput, EntityInput
from apps.tenants.base import TenantModel
from apps.tenants.models import Tenant
from tests.conftest import TenantKit, make_tenant

THREADS = 4  # the pool has 16 connections, and the gateway's own threads keep theirs


def tenant_tables() -> list[tuple[str, str]]:
    """Every table with a tenant column, from the models themselves."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        column = getattr(model, "tenant_column", "tenant_id")
        if any(field.column == column for field in model._meta.local_fields):
            found.append((model._meta.db_table, column))
    return sorted(set(found))


def fill(kit: TenantKit) -> None:
    with tenant_scope(kit.info.id):
        services.upsert_entities(kit.ctx, inputs=[EntityInput("Asset", "a", name="mine"), EntityInput("Asset", "b")])
        services.upsert_edges(
            kit.ctx,
            inputs=[
                EdgeInput(
                    "rel", source_kind="Asset", source_external_id="a", target_kind="Asset", target_external_id="b"
                )
            ],
        )
    kit.key("reader")
    kit.member("owner")


@pytest.fixture(scope="module")
def pair() -> tuple[TenantKit, TenantKit]:
    alpha, beta = make_tenant(), make_tenant()
    fill(alpha)
    fill(beta)
    return alpha, beta


def raw() -> psycopg.Connection:
    """A plain session as the application role: no engine of ours in between."""
    params = {
        k: v
        for k, v in connection.get_connection_params().items()
        if k in {"host", "port", "dbname", "user", "password"}
    }
    return psycopg.connect(**params, autocommit=True)


def test_there_are_tenant_tables() -> None:
    tables = [name for name, _ in tenant_tables()]
    assert {"graph_entity", "graph_edge", "ledger_record", "identity_membership", "tenants_tenant"} <= set(tables)


@pytest.mark.parametrize(("table", "column"), tenant_tables())
def test_without_a_tenant_no_row_is_seen(table: str, column: str, pair: tuple[TenantKit, TenantKit]) -> None:
    with raw() as session:
        assert session.execute(f'select count(*) from "{table}"').fetchone() == (0,)
        session.execute("set ig.tenant = ''")
        assert session.execute(f'select count(*) from "{table}"').fetchone() == (0,)


@pytest.mark.parametrize(("table", "column"), tenant_tables())
def test_with_a_tenant_only_its_rows_are_seen(table: str, column: str, pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, _ = pair
    with raw() as session:
        session.execute("select set_config('ig.tenant', %s, false)", (str(alpha.info.id),))
        foreign = session.execute(f'select count(*) from "{table}" where {column} <> %s', (alpha.info.id,)).fetchone()
        assert foreign == (0,)


def test_accounts_of_other_tenants_are_not_seen(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, beta = pair
    with raw() as session:
        assert session.execute("select count(*) from identity_user").fetchone() == (0,)
        session.execute("select set_config('ig.tenant', %s, false)", (str(alpha.info.id),))
        mails = {row[0] for row in session.execute("select email from identity_user")}
    assert mails and all(alpha.info.slug in mail for mail in mails)
    assert not any(beta.info.slug in mail for mail in mails)


def test_a_row_of_another_tenant_cannot_be_written(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, beta = pair
    with raw() as session:
        session.execute("select set_config('ig.tenant', %s, false)", (str(alpha.info.id),))
        changed = session.execute("update graph_entity set name = 'stolen' where tenant_id = %s", (beta.info.id,))
        assert changed.rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(
                "insert into graph_kind_count (tenant_id, ref_kind, kind, count) values (%s, 'entity', 'x', 1)",
                (beta.info.id,),
            )
        for statement in (
            "truncate graph_entity cascade",
            "alter table graph_entity disable row level security",
            "set role ig_owner",
            "set role ig_system",
            "create table leak (x int)",
            "copy graph_entity to stdout",
        ):
            if statement.startswith("copy"):
                with session.cursor().copy(statement) as copied:
                    assert all(str(beta.info.id).encode() not in bytes(row) for row in copied)
                continue
            with pytest.raises(psycopg.errors.Error):
                session.execute(statement)


def test_an_edge_cannot_point_at_another_tenants_entity(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, beta = pair
    with tenant_scope(beta.info.id):
        foreign = selectors.entity_by_key(beta.ctx, "Asset", "a")
    assert foreign is not None
    with tenant_scope(alpha.info.id):
        result = services.upsert_edges(
            alpha.ctx, inputs=[EdgeInput("rel", source_kind="Asset", source_external_id="a", target_id=foreign.id)]
        )
        assert [e.code for e in result.errors] == ["DANGLING_EDGE"]
        assert selectors.get_entity(alpha.ctx, foreign.id) is None
        assert services.delete_entities(alpha.ctx, ids=[foreign.id]).unknown == [str(foreign.id)]
    with tenant_scope(beta.info.id):
        assert selectors.get_entity(beta.ctx, foreign.id) is not None


def test_read_functions_see_only_the_tenant_in_the_setting(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, beta = pair
    nil = "00000000-0000-0000-0000-000000000000"
    with raw() as session:
        assert session.execute("select * from ig_match_entities(null, null, null, %s, 10)", (nil,)).fetchall() == []
        assert session.execute("select * from ig_search_entities('mine'::tsquery, null, 10)").fetchall() == []
        session.execute("select set_config('ig.tenant', %s, false)", (str(alpha.info.id),))
        hits = [row[0] for row in session.execute("select id from ig_search_entities('mine'::tsquery, null, 10)")]
        hostile = f"'t:{beta.info.id}'"
        leaked = session.execute(
            "select * from ig_match_entities(%s::tsquery, null, null, %s, 10)", (hostile, nil)
        ).fetchall()
        both = session.execute(
            "select * from ig_search_entities(('mine' || ' | ' || %s)::tsquery, null, 10)", (hostile,)
        ).fetchall()
    with tenant_scope(alpha.info.id):
        own = selectors.entity_by_key(alpha.ctx, "Asset", "a")
    assert own is not None and hits == [own.id]
    assert leaked == []
    assert [row[0] for row in both] == [own.id]


def test_python_refuses_rows_without_a_scope() -> None:
    with pytest.raises(NoTenantScope):
        Entity.objects.all()
    with pytest.raises(NoTenantScope), connections["system"].cursor() as cursor:
        cursor.execute("select 1")
    with pytest.raises(NoTenantScope), system_scope("no such scope"):
        pass


def test_one_unit_of_work_serves_one_tenant(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, beta = pair
    with tenant_scope(alpha.info.id), pytest.raises(NoTenantScope), tenant_scope(beta.info.id):
        pass


def visible() -> list[Any]:
    """Which tenants' rows this task sees, by plain SQL without a tenant condition."""
    with connection.cursor() as cursor:
        cursor.execute("select distinct tenant_id from graph_entity")
        return [row[0] for row in cursor.fetchall()]


def test_rollbacks_do_not_leave_a_tenant_behind(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, beta = pair
    with tenant_scope(alpha.info.id):
        assert visible() == [alpha.info.id]
    with tenant_scope(beta.info.id):
        try:
            with transaction.atomic():
                assert visible() == [beta.info.id]
                raise RuntimeError("roll back")
        except RuntimeError as error:
            assert str(error) == "roll back"
        assert visible() == [beta.info.id]
        with transaction.atomic():
            try:
                with transaction.atomic():
                    assert visible() == [beta.info.id]
                    raise RuntimeError("to the savepoint")
            except RuntimeError as error:
                assert str(error) == "to the savepoint"
            assert visible() == [beta.info.id]
        with pytest.raises(ProgrammingError), connection.cursor() as cursor:
            cursor.execute("select * from no_such_table")
        assert visible() == [beta.info.id]
    with no_scope():
        assert visible() == []


def test_threads_never_carry_a_tenant_over(pair: tuple[TenantKit, TenantKit]) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        kit = pair[number % 2]
        try:
            if number % 5 == 4:
                if visible():
                    wrong.append(f"{number}: rows without a scope")
                return
            with tenant_scope(kit.info.id):
                for _ in range(3):
                    if visible() != [kit.info.id]:
                        wrong.append(f"{number}: {visible()} for {kit.info.id}")
                if number % 3 == 0:
                    try:
                        with transaction.atomic():
                            visible()
                            raise KeyError
                    except KeyError:
                        if visible() != [kit.info.id]:
                            wrong.append(f"{number}: after a rollback")
        finally:
            if number % 7 == 0:
                connection.close()

    together = threading.Barrier(THREADS)

    def part(_: int) -> None:
        together.wait(30)  # each thread once
        connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(400)))
        list(pool.map(part, range(THREADS)))
    assert wrong == []


async def test_async_tasks_never_carry_a_tenant_over(pair: tuple[TenantKit, TenantKit]) -> None:
    wrong: list[str] = []

    async def work(number: int) -> None:
        kit = pair[number % 2]
        if number % 5 == 4:
            if await sync_to_async(visible)():
                wrong.append(f"{number}: rows without a scope")
            return
        with tenant_scope(kit.info.id):
            await asyncio.sleep(0)
            seen = await sync_to_async(visible)()
            await asyncio.sleep(0)
            if seen != [kit.info.id] or current_tenant_id() != kit.info.id:
                wrong.append(f"{number}: {seen}")

    await asyncio.gather(*(work(number) for number in range(200)))
    await sync_to_async(connections.close_all)()
    assert wrong == []


def test_the_system_check_notices_a_table_without_policy() -> None:
    assert tables_without_policy("default") == []
    assert [e for e in run_checks(databases=["default"]) if e.id in {"core.E001", "core.E002"}] == []

    class Forgotten(TenantModel):
        note = models.TextField()

        class Meta:
            app_label = "tenants"
            db_table = "tenants_forgotten"

    owner = connections["owner"]
    try:
        with owner.schema_editor() as editor:
            editor.create_model(Forgotten)
        assert any(e.id == "core.E001" and "tenants_forgotten" in e.msg for e in run_checks(databases=["default"]))
        with owner.schema_editor() as editor:
            EnableRowSecurity("tenants_forgotten").database_forwards("tenants", editor, None, None)
        assert tables_without_policy("default") == []
        with owner.cursor() as cursor:
            cursor.execute("create policy open on tenants_forgotten for select using (true)")
        assert tables_without_policy("default") == [
            ("tenants_forgotten", "another policy opens the table to the application role")
        ]
    finally:
        with owner.cursor() as cursor:
            cursor.execute("drop table if exists tenants_forgotten cascade")
        del apps.all_models["tenants"]["forgotten"]
        apps.clear_cache()


def test_a_tenant_sees_itself_only(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, _ = pair
    with tenant_scope(alpha.info.id):
        assert list(Tenant.objects.values_list("slug", flat=True)) == [alpha.info.slug]


def test_ledger_rows_refuse_change_and_deletion(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, _ = pair
    for table in ("ledger_record", "ledger_item", "ledger_link", "ledger_checkpoint"):
        for statement in (f"update {table} set tenant_id = tenant_id", f"delete from {table}"):
            with raw() as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("select set_config('ig.tenant', %s, false)", (str(alpha.info.id),))
                session.execute(statement)
            with (
                system_scope("ledger.verify"),
                pytest.raises(ProgrammingError),
                connections["system"].cursor() as cursor,
            ):
                cursor.execute(statement)
    with pytest.raises((ProgrammingError, InternalError)), connections["owner"].cursor() as cursor:
        cursor.execute("update ledger_record set actor = 'x' where tenant_id = %s", [alpha.info.id])


def test_a_failed_statement_in_a_savepoint_leaves_the_transaction_usable(pair: tuple[TenantKit, TenantKit]) -> None:
    alpha, _ = pair
    with tenant_scope(alpha.info.id), transaction.atomic():
        with pytest.raises(ProgrammingError), transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("select set_config('ig.tenant', '', false)")
            connection.forget_session()
            with connection.cursor() as cursor:
                cursor.execute("select * from no_such_table")
        assert visible() == [alpha.info.id]
