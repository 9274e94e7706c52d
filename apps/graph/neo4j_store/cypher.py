"""Every Cypher statement. Each takes the tenant as its first parameter, `$tenant`; a test reads them all.

Nodes `Entity` and relations `RELATES` carry tenant, id, kind and version; contents stay in PostgreSQL. `Projection`
(under the platform's own id) and `Progress` (one a tenant) say how far the graph is. Values are always parameters.
"""

from apps.graph.traversal.port import Direction

_ARROWS = {
    Direction.OUT: "-[r:RELATES]->",
    Direction.IN: "<-[r:RELATES]-",
    Direction.BOTH: "-[r:RELATES]-",
}


def _each_way(statement: str) -> dict[Direction, str]:
    return {direction: statement.replace("~~", arrow) for direction, arrow in _ARROWS.items()}


EXISTING = """
UNWIND $ids AS id
MATCH (n:Entity {tenant: $tenant, id: id})
RETURN n.id AS id
"""
NEIGHBOURS = _each_way("""
UNWIND $nodes AS id
MATCH (a:Entity {tenant: $tenant, id: id})~~(b:Entity {tenant: $tenant})
WHERE $kinds IS NULL OR r.kind IN $kinds
WITH DISTINCT b.id AS id
RETURN id ORDER BY id LIMIT $limit
""")
TOUCHING_FROM_CANDIDATES = _each_way("""
UNWIND $candidates AS id
MATCH (a:Entity {tenant: $tenant, id: id})~~(b:Entity {tenant: $tenant})
WHERE b.id IN $others AND ($kinds IS NULL OR r.kind IN $kinds)
RETURN DISTINCT a.id AS id
""")
TOUCHING_FROM_OTHERS = _each_way("""
UNWIND $others AS id
MATCH (a:Entity {tenant: $tenant})~~(b:Entity {tenant: $tenant, id: id})
WHERE a.id IN $candidates AND ($kinds IS NULL OR r.kind IN $kinds)
RETURN DISTINCT a.id AS id
""")
AMONG = """
UNWIND $nodes AS id
MATCH (a:Entity {tenant: $tenant, id: id})-[r:RELATES]->(b:Entity {tenant: $tenant})
WHERE b.id IN $nodes AND ($kinds IS NULL OR r.kind IN $kinds)
RETURN r.id AS id ORDER BY id LIMIT $limit
"""
JOINING = _each_way("""
MATCH (a:Entity {tenant: $tenant, id: $start})~~(b:Entity {tenant: $tenant, id: $end})
WHERE $kinds IS NULL OR r.kind IN $kinds
RETURN min(r.id) AS id
""")
COUNT_ENTITIES = """
MATCH (n:Entity {tenant: $tenant}) WHERE n.id > ''
RETURN count(n) AS count
"""
COUNT_RELATIONS = """
MATCH ()-[r:RELATES {tenant: $tenant}]->() WHERE r.id > ''
RETURN count(r) AS count
"""

TAKE_LEASE = """
MERGE (p:Projection {tenant: $tenant, name: $name})
SET p.lease = $lease
RETURN p.graph_id AS graph_id, p.position AS position, p.hash AS hash, p.rebuilding AS rebuilding
"""
# The first SET takes the write lock; only then is the lease read. A writer that was overtaken finds another's.
HOLD_LEASE = """
MATCH (p:Projection {tenant: $tenant, name: $name})
SET p.writer = $lease
WITH p WHERE p.lease = $lease
RETURN count(p) AS held
"""
READ_STATE = """
MATCH (p:Projection {tenant: $tenant, name: $name})
RETURN p.graph_id AS graph_id, p.position AS position, p.hash AS hash, p.rebuilding AS rebuilding
"""
NAME_GRAPH = """
MATCH (p:Projection {tenant: $tenant, name: $name})
SET p.graph_id = $graph_id
"""
READ_TENANTS = """
MATCH (p:Projection {tenant: $tenant, name: $name})
RETURN coalesce(p.tenants, []) AS tenants
"""
BEGIN = """
MATCH (p:Projection {tenant: $tenant, name: $name})
SET p.position = $position, p.hash = $hash, p.rebuilding = $rebuilding, p.tenants = $tenants
"""
ADVANCE = """
MATCH (p:Projection {tenant: $tenant, name: $name})
SET p.position = $position, p.hash = $hash, p.tenants = coalesce(p.tenants, []) + $newcomers
"""
SET_REBUILDING = """
MATCH (p:Projection {tenant: $tenant, name: $name})
SET p.rebuilding = $rebuilding
"""
READ_PROGRESS = """
MATCH (g:Progress {tenant: $tenant, name: $name})
RETURN g.number AS number, g.hash AS hash, g.phase AS phase, g.after AS after
"""
REACH = """
MERGE (g:Progress {tenant: $tenant, name: $name})
SET g.number = $number, g.hash = $hash, g.phase = coalesce(g.phase, ''), g.after = coalesce(g.after, '')
"""
START_REBUILD = """
MERGE (g:Progress {tenant: $tenant, name: $name})
SET g.phase = 'nodes', g.after = '', g.number = coalesce(g.number, 0), g.hash = coalesce(g.hash, '')
"""
STEP_REBUILD = """
MATCH (g:Progress {tenant: $tenant, name: $name})
SET g.phase = $phase, g.after = $after
"""

UPSERT_ENTITIES = """
UNWIND $rows AS row
MERGE (n:Entity {tenant: $tenant, id: row.id})
WITH n, row WHERE n.version IS NULL OR n.version < row.version
SET n.version = row.version, n.kind = row.kind
"""
# An edge may have changed its ends; and its ends may come to this graph after it.
DELETE_MOVED_RELATIONS = """
UNWIND $rows AS row
MATCH ()-[r:RELATES {tenant: $tenant, id: row.id}]->()
WHERE r.version < row.version AND (startNode(r).id <> row.source OR endNode(r).id <> row.target)
DELETE r
"""
UPSERT_RELATIONS = """
UNWIND $rows AS row
MERGE (a:Entity {tenant: $tenant, id: row.source})
MERGE (b:Entity {tenant: $tenant, id: row.target})
MERGE (a)-[r:RELATES {tenant: $tenant, id: row.id}]->(b)
WITH r, row WHERE r.version IS NULL OR r.version < row.version
SET r.version = row.version, r.kind = row.kind
"""
DELETE_RELATIONS = """
UNWIND $ids AS id
MATCH ()-[r:RELATES {tenant: $tenant, id: id}]->()
DELETE r
"""
DELETE_ENTITIES = """
UNWIND $ids AS id
MATCH (n:Entity {tenant: $tenant, id: id})
DETACH DELETE n
"""
SWEEP_ENTITIES = """
MATCH (n:Entity {tenant: $tenant})
WHERE n.id > $after AND n.id <= $upto AND NOT n.id IN $ids
WITH n LIMIT $limit
DETACH DELETE n
RETURN count(*) AS swept
"""
SWEEP_RELATIONS = """
MATCH ()-[r:RELATES {tenant: $tenant}]->()
WHERE r.id > $after AND r.id <= $upto AND NOT r.id IN $ids
WITH r LIMIT $limit
DELETE r
RETURN count(*) AS swept
"""

READ_MIGRATIONS = """
MATCH (m:Migration {tenant: $tenant})
RETURN m.name AS name, m.checksum AS checksum, m.applied_at AS applied_at ORDER BY name
"""
RECORD_MIGRATION = """
MERGE (m:Migration {tenant: $tenant, name: $migration})
SET m.checksum = $checksum, m.applied_at = $applied_at
"""
