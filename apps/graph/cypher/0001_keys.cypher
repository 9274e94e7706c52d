// Keys: the tenant stands first in each, and nothing is found without it.
CREATE CONSTRAINT ig_entity_key IF NOT EXISTS
FOR (n:Entity) REQUIRE (n.tenant, n.id) IS UNIQUE;

CREATE CONSTRAINT ig_relation_key IF NOT EXISTS
FOR ()-[r:RELATES]-() REQUIRE (r.tenant, r.id) IS UNIQUE;

// How far the projection is: of all tenants together, and of each.
CREATE CONSTRAINT ig_projection_key IF NOT EXISTS
FOR (p:Projection) REQUIRE (p.tenant, p.name) IS UNIQUE;

CREATE CONSTRAINT ig_progress_key IF NOT EXISTS
FOR (g:Progress) REQUIRE (g.tenant, g.name) IS UNIQUE;

CREATE CONSTRAINT ig_migration_key IF NOT EXISTS
FOR (m:Migration) REQUIRE (m.tenant, m.name) IS UNIQUE;
