"""Append-only records and their hash chain; plain ids, knows nobody."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "apps.ledger"
    label = "ledger"
