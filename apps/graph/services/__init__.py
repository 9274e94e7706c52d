"""Verbs of the graph: write entities and edges, delete them. Each is one transaction with one ledger record."""

from apps.graph.services.deleting import delete_entities
from apps.graph.services.edges import upsert_edges
from apps.graph.services.entities import upsert_entities

__all__ = ["delete_entities", "upsert_edges", "upsert_entities"]
