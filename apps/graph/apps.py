"""Entities, edges, their tags, search and traversal."""

from django.apps import AppConfig


class GraphConfig(AppConfig):
    name = "apps.graph"
    label = "graph"
