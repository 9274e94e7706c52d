"""Ingest: files and feeds become entities and edges, resumably and once."""

from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    name = "apps.connectors"
    label = "connectors"
