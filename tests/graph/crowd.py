"""A tenant with a hundred thousand entities, written past the product as the owner: for plans, not for behaviour."""

import os
from uuid import UUID

from django.db import connections

from apps.core.scope import no_scope

ENTITIES = int(os.environ.get("IG_CROWD", "120000"))
"""So many fill the tests' time well; half a million beside as many of others is what the plans are meant for."""
OTHERS = int(os.environ.get("IG_CROWD_OTHERS", "20000"))
HUB_EDGES = 100_000

# Ids rise with the number; names, kinds and tags are spread so that each filter finds few and many.
FILL_ENTITIES = """
insert into graph_entity (id, tenant_id, kind, external_id, name, properties, data_class, retention_tier,
  redaction_policy, purposes, licence, source, region, subject_keys, version, content_hash, created_at, updated_at)
select (substr(%(seed)s, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, %(tenant)s,
  (array['Person', 'Company', 'Asset', 'Report'])[1 + n %% 4], 'x' || n, 'Name ' || n,
  jsonb_strip_nulls(jsonb_build_object('n', n, 'country', (array['DE', 'FR', 'IT'])[1 + n %% 3], 'rare', case when n %% 9973 = 0 then 'yes' end,
    'description', 'word' || n %% 1000 || ' common')),
  (array['public', 'internal', 'personal'])[1 + n %% 3], 'standard-365d', 'none', array['investigation'],
  case when %(tagged)s then 'CC' else '' end, case when %(tagged)s then 'source' || n %% 50 else '' end, 'eu-west-1', array['k' || n], 1, '\\x00', now() - n * interval '1 second',
  now() - n * interval '1 second'
from generate_series(1, %(count)s) n
"""
# Entity 1 is a hub; all others stand in a ring besides.
FILL_EDGES = """
insert into graph_edge (id, tenant_id, kind, external_id, key, source_entity_id, target_entity_id, properties, data_class,
  retention_tier, redaction_policy, purposes, licence, source, version, content_hash, created_at, updated_at)
select (substr(%(seed)s, 1, 24) || lpad(to_hex(%(from)s + n), 12, '0'))::uuid, %(tenant)s, %(kind)s, '', %(kind)s || n,
  (substr(%(seed)s, 1, 24) || lpad(to_hex(case when %(hub)s then 1 else n end), 12, '0'))::uuid,
  (substr(%(seed)s, 1, 24) || lpad(to_hex(case when %(hub)s then n + 1 else 1 + n %% %(ring)s end), 12, '0'))::uuid,
  '{}', 'internal', 'standard-365d', 'none', '{}', '', '', 1, '\\x00', now(), now()
from generate_series(1, %(count)s) n
"""


class Crowd:
    """The filled tenant: entity number `n` (from 1) has the id `self[n]`."""

    def __init__(self, tenant_id: UUID, *, tagged: bool = True) -> None:
        self.tenant_id = tenant_id
        self._tagged = tagged
        self._seed = str(tenant_id)[:24]

    def __getitem__(self, number: int) -> UUID:
        return UUID(f"{self._seed}{number:012x}")

    def fill(self, entities: int = ENTITIES) -> None:
        """Write it and let the planner know."""
        given = {"tenant": self.tenant_id, "seed": self._seed, "tagged": self._tagged}
        with no_scope(), connections["owner"].cursor() as cursor:
            cursor.execute(FILL_ENTITIES, {**given, "count": entities})
            cursor.execute(
                FILL_EDGES,
                {
                    **given,
                    "count": min(HUB_EDGES, entities - 1),
                    "from": 1 << 32,
                    "kind": "knows",
                    "hub": True,
                    "ring": entities,
                },
            )
            cursor.execute(
                FILL_EDGES,
                {**given, "count": entities, "from": 2 << 32, "kind": "next", "hub": False, "ring": entities},
            )
            cursor.execute("vacuum (analyze) graph_entity")
            cursor.execute("vacuum (analyze) graph_edge")

    def clear(self) -> None:
        """Take it away again: other tests project every tenant."""
        with no_scope(), connections["owner"].cursor() as cursor:
            for table in ("graph_edge", "graph_entity"):
                cursor.execute(f"delete from {table} where tenant_id = %s", (self.tenant_id,))
            cursor.execute("vacuum (analyze) graph_entity")
            cursor.execute("vacuum (analyze) graph_edge")
