"""Foundation: context, clock, ids, errors, sockets, jobs, settings reader, telemetry. No tables."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"

    def ready(self) -> None:
        """Register checks, grant after migrations, load every app's plugs and close the sockets."""
        from apps.core import checks, sockets  # noqa: F401  needs the app registry

        post_migrate.connect(_grant, sender=self)
        sockets.load()


def _grant(using: str, **kwargs: Any) -> None:
    from apps.core.rowsecurity import apply_grants  # needs the app registry

    if using == "owner":
        apply_grants(using)
