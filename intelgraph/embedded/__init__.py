"""PostgreSQL, Redis and Neo4j as child processes of one command, without containers and without Django.

`supervisor` runs the whole product, `postgres`, `redis` and `neo4j` run one server each, `addresses` tells other
programs of this machine where a running copy listens.
"""
