"""Row-level security as migration operations and grants (PostgreSQL 18, roles ig_app, ig_system, ig_reader).

The policy compares with the plain setting, not a sub-select: the planner then estimates well, and the comparison is
leakproof, so indexes on tenant-first columns keep working.
"""

from typing import Any

from django.apps import apps
from django.db import connections, transaction
from django.db.migrations.operations.base import Operation

TENANT_SETTING = "nullif(current_setting('ig.tenant', true), '')::uuid"

ENABLE = """
alter table "{table}" enable row level security;
alter table "{table}" force row level security;
create policy tenant_rows on "{table}" to ig_app
  using ({column} = {setting}) with check ({column} = {setting});
create policy system_rows on "{table}" to ig_system using (true) with check (true);
create policy owner_rows on "{table}" to current_user using (true) with check (true);
"""
DISABLE = """
drop policy if exists owner_rows on "{table}";
drop policy if exists system_rows on "{table}";
drop policy if exists tenant_rows on "{table}";
alter table "{table}" no force row level security;
alter table "{table}" disable row level security;
"""
REFUSE_CHANGES = """
create or replace function ig_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% on % is refused: it is append-only', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete on "{table}" for each row execute function ig_refuse_change();
create trigger append_only_truncate before truncate on "{table}" for each statement execute function ig_refuse_change();
alter table "{table}" enable always trigger append_only;
alter table "{table}" enable always trigger append_only_truncate;
"""
ALLOW_CHANGES = """
drop trigger if exists append_only_truncate on "{table}";
drop trigger if exists append_only on "{table}";
"""


class _Sql(Operation):
    """A reversible piece of SQL about one table."""

    reduces_to_sql = True
    reversible = True
    forward = ""
    backward = ""

    def __init__(self, table: str, column: str = "tenant_id") -> None:
        self.table = table
        self.column = column

    def _run(self, sql: str, schema_editor: Any) -> None:
        text = sql.format(table=self.table, column=self.column, setting=TENANT_SETTING)
        schema_editor.execute(
            text.replace("%", "%%") if "%" in text and schema_editor.collect_sql else text, params=None
        )

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing of Django's state changes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run(self.forward, schema_editor)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._run(self.backward, schema_editor)

    def describe(self) -> str:
        return f"{type(self).__name__} on {self.table}"


class EnableRowSecurity(_Sql):
    """Force row-level security on a table: the application role sees the tenant in scope only."""

    forward, backward = ENABLE, DISABLE


class AppendOnly(_Sql):
    """Refuse UPDATE, DELETE and TRUNCATE of a table to everyone, by trigger (grants refuse them besides)."""

    forward, backward = REFUSE_CHANGES, ALLOW_CHANGES


class ReaderFunction(Operation):
    """A SECURITY DEFINER read function for an index whose operator is not leakproof.

    It is owned by ig_reader, whose only right is to read `table`; the body must itself compare the tenant with
    `TENANT_SETTING`, never with a parameter.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, signature: str, table: str, create: str) -> None:
        if "ig.tenant" not in create:
            raise ValueError(f"{signature} does not read the tenant from the setting")
        self.signature = signature
        self.table = table
        self.create = create

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing of Django's state changes."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute(f'grant select on "{self.table}" to ig_reader', params=None)
        schema_editor.execute(f'drop policy if exists reader_rows on "{self.table}"', params=None)
        schema_editor.execute(
            f'create policy reader_rows on "{self.table}" for select to ig_reader using (true)', params=None
        )
        schema_editor.execute(self.create, params=None)
        schema_editor.execute(f"revoke all on function {self.signature} from public", params=None)
        schema_editor.execute(f"grant execute on function {self.signature} to ig_app", params=None)
        schema_editor.execute("grant create on schema public to ig_reader", params=None)
        schema_editor.execute(f"alter function {self.signature} owner to ig_reader", params=None)
        schema_editor.execute("revoke create on schema public from ig_reader", params=None)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        schema_editor.execute(f"drop function if exists {self.signature}", params=None)
        schema_editor.execute(f'drop policy if exists reader_rows on "{self.table}"', params=None)

    def describe(self) -> str:
        return f"Read function {self.signature}"


def apply_grants(using: str) -> None:
    """Give the application and system roles what each table allows; run after every migration as the owner.

    A model may narrow it: `append_only = True` (select and insert), `app_rights = "select"` for the application role
    (empty: nothing at all).
    """
    by_table = {m._meta.db_table: m for m in apps.get_models(include_auto_created=True)}
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("select tablename from pg_tables where schemaname = 'public' and tableowner = current_user")
        for (table,) in cursor.fetchall():
            model = by_table.get(table)
            rights = "select, insert" if getattr(model, "append_only", False) else "select, insert, update, delete"
            if table == "django_migrations":
                rights = "select"
            cursor.execute(f'revoke all on "{table}" from ig_app, ig_system')
            cursor.execute(f'grant {rights} on "{table}" to ig_system')
            if app_rights := getattr(model, "app_rights", rights):
                cursor.execute(f'grant {app_rights} on "{table}" to ig_app')
        cursor.execute("grant usage, select on all sequences in schema public to ig_app, ig_system")


def tables_without_policy(using: str) -> list[tuple[str, str]]:
    """Return (table, what is missing) for every table with a tenant column that lacks forced row security."""
    tenant_tables = {
        m._meta.db_table: getattr(m, "tenant_column", "tenant_id")
        for m in apps.get_models(include_auto_created=True)
        if m._meta.managed and any(f.column == getattr(m, "tenant_column", "tenant_id") for f in m._meta.local_fields)
    }
    findings: list[tuple[str, str]] = []
    with connections[using].cursor() as cursor:
        cursor.execute(
            "select c.relname, c.relrowsecurity, c.relforcerowsecurity,"
            " exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = 'tenant_rows'"
            "   and pg_get_expr(p.polqual, p.polrelid) like '%%ig.tenant%%'"
            "   and pg_get_expr(p.polwithcheck, p.polrelid) like '%%ig.tenant%%'),"
            " (select count(*) from pg_policy p where p.polrelid = c.oid and p.polpermissive"
            "   and (p.polroles = '{0}' or 'ig_app'::regrole::oid = any(p.polroles)))"
            " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'public' and c.relkind in ('r', 'p') and c.relname = any(%s)",
            [list(tenant_tables)],
        )
        for table, enabled, forced, policy, permissive in cursor.fetchall():
            if not enabled:
                findings.append((table, "row-level security is not enabled"))
            elif not forced:
                findings.append((table, "row-level security is not forced"))
            elif not policy:
                findings.append((table, "the tenant policy is missing"))
            elif permissive != 1:
                findings.append((table, "another policy opens the table to the application role"))
    return findings
