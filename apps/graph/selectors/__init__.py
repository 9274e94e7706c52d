"""Reads of the graph, of the tenant in scope. `ctx` comes first; nothing here writes."""

from apps.graph.selectors.edges import edge_by_id, edge_cursor, edge_kinds_of, edges_between, edges_of, edges_of_many
from apps.graph.selectors.entities import entities_by_ids, entity_by_key, entity_ids_by_keys, get_entity, list_entities
from apps.graph.selectors.history import documents, history
from apps.graph.selectors.searching import search
from apps.graph.selectors.summary import graph_summary, projection_lag, stored_counts
from apps.graph.selectors.traversal import neighborhood, shortest_path
from apps.graph.selectors.values import VALUES, ValuesPage, entity_values, list_values

__all__ = [
    "VALUES",
    "ValuesPage",
    "documents",
    "edge_by_id",
    "edge_cursor",
    "edge_kinds_of",
    "edges_between",
    "edges_of",
    "edges_of_many",
    "entities_by_ids",
    "entity_by_key",
    "entity_ids_by_keys",
    "entity_values",
    "get_entity",
    "graph_summary",
    "history",
    "list_entities",
    "list_values",
    "neighborhood",
    "projection_lag",
    "search",
    "shortest_path",
    "stored_counts",
]
