"""The ground of every app's `admin.py`: pages that read, verbs that call services, and what the site hands in."""

from apps.core.admin import filters, shown
from apps.core.admin.base import PlatformAdmin
from apps.core.admin.roof import Trail, Version, context_of, tenant_of
from apps.core.admin.verbs import Outcome, ReasonForm, Verb, VerbForm

__all__ = [
    "Outcome",
    "PlatformAdmin",
    "ReasonForm",
    "Trail",
    "Verb",
    "VerbForm",
    "Version",
    "context_of",
    "filters",
    "shown",
    "tenant_of",
]
