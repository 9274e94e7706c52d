"""Policy: may this caller do this, and what must be withheld from what is shown."""

from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "apps.policy"
    label = "policy"
