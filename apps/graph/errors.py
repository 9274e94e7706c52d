"""Errors of the graph's own."""

from apps.bus.errors import StoreAway


class GraphAway(StoreAway):
    """Neo4j does not answer, or not now."""


class LeaseLost(StoreAway):
    """Another process writes to the projection now."""


class SchemaDrift(StoreAway):
    """A Cypher migration that was applied reads differently now: it must not be edited, only followed by another.

    Nothing is projected until the file is as it was.
    """
