"""Filters on properties find both what is common and what is rare without walking the tenant.

PostgreSQL keeps no statistics of what jsonb holds: it takes every filter for one that one row in a hundred passes. Read in
order of id, a rare value walked every row of the tenant; by the index alone, a common one fetched every match. So: the
next rows in order first, and only where these hold too few, the index. Sequential scans are off in both functions,
since where a tenant's rows lie close together a scan with a limit may pass by all other tenants' rows first. Temporary
objects come last in their search path, so that none can stand in for what they name.

Names of properties that must exist come apart from the path, since of all there is for jsonb only `?&` finds them by the
index; and what no index can answer comes as checks, written so that the index is not asked.
"""

from importlib import import_module

from django.db import migrations

from apps.core.rowsecurity import TENANT_SETTING
from apps.core.statements import compose

SEARCH = "ig_search_entities(tsquery, tsquery, integer)"
# More than a thousand are asked for to be counted or joined: then in no order.
MATCH_FUNCTION = compose("""
create function ig_match_entities(
  tags tsquery, path jsonpath, kinds text[], after uuid, lim integer, keys text[] default null,
  checks jsonpath default null)
returns setof uuid
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp set enable_seqscan = off as $$
declare
  tenant uuid := {tenant_setting};
  own tsquery;
  conditions text;
  near uuid[];
  seen integer;
begin
  if tenant is null then return; end if;
  own := public.ig_lexeme('t:' || tenant);
  conditions := 'true'
    || case when tags is null then '' else ' and e.search @@ $2' end
    || case when path is null then '' else ' and e.properties @@ $3' end
    || case when keys is null then '' else ' and e.properties ?& $8' end
    || case when checks is null then '' else ' and (e.properties @@ $9) is true' end
    || case when kinds is null then '' else ' and e.kind = any($4)' end;
  if lim > 1000 then
    return query execute
      'select e.id from public.graph_entity e where e.tenant_id = $1 and e.id > $5 and ' || conditions || ' limit $6'
      using tenant, tags && own, path, kinds, after, lim, own, keys, checks;
    return;
  end if;
  if path is null and keys is null and checks is null then
    return query execute
      'select e.id from public.graph_entity e where e.tenant_id = $1 and e.id > $5 and ' || conditions
      || ' order by e.id limit $6'
      using tenant, tags && own, path, kinds, after, lim, own, keys, checks;
    return;
  end if;
  execute
    'select array_agg(e.id order by e.id) filter (where ' || conditions || '), count(*) from (select w.id, w.search,'
    || ' w.properties, w.kind from public.graph_entity w where w.tenant_id = $1 and w.id > $5 order by w.id limit 2000) e'
    using tenant, tags && own, path, kinds, after, lim, own, keys, checks into near, seen;
  if seen < 2000 or coalesce(cardinality(near), 0) >= lim then
    return query select unnest(near[1:lim]);
    return;
  end if;
  return query execute
    'select x.id from (select e.id from public.graph_entity e where e.tenant_id = $1 and e.id > $5 and e.search @@ $7 and '
    || conditions || ' offset 0) x order by x.id limit $6'
    using tenant, tags && own, path, kinds, after, lim, own, keys, checks;
end $$
""", tenant_setting=TENANT_SETTING)
BEFORE = import_module("apps.graph.migrations.0001_initial").MATCH_FUNCTION
OLD = "ig_match_entities(tsquery, jsonpath, text[], uuid, integer)"
NEW = "ig_match_entities(tsquery, jsonpath, text[], uuid, integer, text[], jsonpath)"
# The functions belong to a role without a login that holds no right to create, except here.
AS_READER = "grant create on schema public to ig_reader; set local role ig_reader; {statements}; reset role; revoke create on schema public from ig_reader"


def as_reader(*statements: str) -> str:
    return AS_READER.replace("{statements}", "; ".join(statements))


def for_the_application(signature: str) -> tuple[str, str]:
    return f"revoke all on function {signature} from public", f"grant execute on function {signature} to ig_app"


class Migration(migrations.Migration):

    dependencies = [
        ('graph', '0002_traversal'),
    ]

    operations = [
        migrations.RunSQL(
            as_reader(
                f"drop function {OLD}",
                MATCH_FUNCTION,
                *for_the_application(NEW),
                f"alter function {SEARCH} set enable_seqscan = off",
                f"alter function {SEARCH} set search_path = pg_catalog, public, pg_temp",
            ),
            as_reader(
                f"drop function {NEW}",
                BEFORE,
                *for_the_application(OLD),
                f"alter function {SEARCH} reset enable_seqscan",
                f"alter function {SEARCH} set search_path = pg_catalog, public",
            ),
        ),
    ]
