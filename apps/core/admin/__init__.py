"""The ground of every app's `admin.py`: pages that read, verbs that call services, and what the site hands in."""

from apps.core.admin import acting, filters, shown
from apps.core.admin.base import PlatformAdmin
from apps.core.admin.roof import Draft, Trail, Version, context_of, tenant_of
from apps.core.admin.verbs import Change, Outcome, ReasonForm, Verb, VerbForm

__all__ = [
    "Change",
    "Draft",
    "Outcome",
    "PlatformAdmin",
    "ReasonForm",
    "Trail",
    "Verb",
    "VerbForm",
    "Version",
    "acting",
    "context_of",
    "filters",
    "shown",
    "tenant_of",
]
