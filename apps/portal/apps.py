"""The tenant portal: pages over what the floors below offer. It has no tables of its own."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The portal's place in the project."""

    name = "apps.portal"
    label = "portal"
    verbose_name = "Portal"
