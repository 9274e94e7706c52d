"""Flags: is it on?"""

from django.apps import AppConfig


class FlagsConfig(AppConfig):
    name = "apps.flags"
    label = "flags"

    def ready(self) -> None:
        """Register the check of the registry's file, and our provider of OpenFeature."""
        from apps.flags import checks, provider  # noqa: F401  needs the app registry

        provider.register()
