"""Mappings: documents that say how rows become entities and edges, and what they compile to."""
