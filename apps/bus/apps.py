"""Events: one insert records and emits; the relay numbers and delivers."""

from django.apps import AppConfig


class BusConfig(AppConfig):
    name = "apps.bus"
    label = "bus"
