"""Filters on tags find what is rare with one tenant and common with others without walking the tenant.

PostgreSQL knows how common a tag is in the whole table, not with one tenant: a source that half of all rows name, and none
of this tenant's, was looked for in order of id through all of them. So for tags as for properties: the next rows in order
first, a wider window where a quarter of them fits and many are asked for, and only then the index, which then is asked
for the tag itself.
"""

from importlib import import_module

from django.db import migrations

from apps.core.rowsecurity import TENANT_SETTING
from apps.core.statements import compose

BEFORE = import_module("apps.graph.migrations.0003_match_in_windows")
# More than a thousand are asked for to be counted or joined: then in no order.
MATCH_FUNCTION = compose("""
create or replace function ig_match_entities(
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
  wide integer := 2000;
  properties boolean := path is not null or keys is not null or checks is not null;
  rows_of_tenant text := ' from public.graph_entity e where e.tenant_id = $1 and e.id > $5 and ';
begin
  if tenant is null then return; end if;
  own := public.ig_lexeme('t:' || tenant);
  conditions := 'true'
    || case when tags is null then '' else ' and e.search @@ $2' end
    || case when path is null then '' else ' and e.properties @@ $3' end
    || case when keys is null then '' else ' and e.properties ?& $8' end
    || case when checks is null then '' else ' and (e.properties @@ $9) is true' end
    || case when kinds is null then '' else ' and e.kind = any($4)' end;
  if lim > 1000 and properties then
    return query execute
      'select e.id' || rows_of_tenant || conditions || ' limit $6'
      using tenant, tags && own, path, kinds, after, lim, own, keys, checks;
    return;
  end if;
  loop
    execute
      'select array_agg(e.id order by e.id) filter (where ' || conditions || '), count(*) from (select w.id, w.search,'
      || ' w.properties, w.kind from public.graph_entity w where w.tenant_id = $1 and w.id > $5 order by w.id limit $10) e'
      using tenant, tags && own, path, kinds, after, lim, own, keys, checks, wide into near, seen;
    if seen < wide or coalesce(cardinality(near), 0) >= lim then
      return query select unnest(near[1:lim]);
      return;
    end if;
    exit when lim <= 1000 or wide >= 4 * lim or coalesce(cardinality(near), 0) * 4 < wide;
    wide := 4 * lim;
  end loop;
  if not properties then
    -- Written so that no index in order of id is asked.
    rows_of_tenant := ' from public.graph_entity e where (e.tenant_id = $1) is true and (e.id > $5) is true and ';
  end if;
  conditions := rows_of_tenant || 'e.search @@ $7 and ' || conditions;
  if lim > 1000 then
    return query execute 'select e.id' || conditions || ' limit $6'
      using tenant, tags && own, path, kinds, after, lim, own, keys, checks;
    return;
  end if;
  return query execute 'select x.id from (select e.id' || conditions || ' offset 0) x order by x.id limit $6'
    using tenant, tags && own, path, kinds, after, lim, own, keys, checks;
end $$
""", tenant_setting=TENANT_SETTING)


class Migration(migrations.Migration):

    dependencies = [
        ('graph', '0004_ranges'),
    ]

    operations = [
        migrations.RunSQL(
            BEFORE.as_reader(MATCH_FUNCTION),
            BEFORE.as_reader(BEFORE.MATCH_FUNCTION.replace("create function", "create or replace function")),
        ),
    ]
