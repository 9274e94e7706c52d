"""The project itself: commands that bring everything together."""

from django.apps import AppConfig


class IntelGraphConfig(AppConfig):
    name = "intelgraph"
    label = "intelgraph"
