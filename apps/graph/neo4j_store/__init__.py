"""Neo4j: the one place that speaks Cypher and holds the driver."""

from apps.graph.neo4j_store.connection import Neo4jGraph, connect
from apps.graph.neo4j_store.reading import Reader
from apps.graph.neo4j_store.states import Progress, State
from apps.graph.neo4j_store.writing import Writer

__all__ = ["Neo4jGraph", "Progress", "Reader", "State", "Writer", "connect"]
