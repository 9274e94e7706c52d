"""Keys, signatures, statements, sealed secrets and the object store."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "apps.vault"
    label = "vault"
