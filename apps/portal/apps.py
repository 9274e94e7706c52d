"""The tenant portal: pages over what the floors below offer. Its own rows are filters that members keep."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The portal's place in the project."""

    name = "apps.portal"
    label = "portal"
    verbose_name = "Portal"
