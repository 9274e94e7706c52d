"""Traversal: one port, answered by Neo4j where its projection is fresh enough, and by SQL otherwise."""

from apps.graph.traversal.port import Direction, Neighborhood, Path, Traversal

__all__ = ["Direction", "Neighborhood", "Path", "Traversal"]
