"""The admin's navigation, by task, as django-unfold takes it (`UNFOLD["SIDEBAR"]["navigation"]`)."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Customers",
        (
            ("tenants.tenant", "Tenants", "building-2"),
            ("identity.user", "Accounts", "circle-user-round"),
            ("identity.membership", "Members", "users-round"),
            ("identity.apikey", "API keys", "key-round"),
            ("quotas.override", "Limits", "gauge"),
            ("flags.flag", "Flags", "flag"),
        ),
    ),
    (
        "Record",
        (
            ("ledger.head", "Ledgers", "scroll-text"),
            ("ledger.record", "Records", "hash"),
            ("vault.signingkey", "Signing keys", "fingerprint"),
        ),
    ),
    (
        "Policy",
        (
            ("policy.decisionentry", "Decisions", "scale"),
            ("policy.fence", "Fences", "map-pin"),
            ("policy.signalentry", "Signals", "radar"),
        ),
    ),
    (
        "Delivery",
        (
            ("bus.parked", "Parked events", "inbox"),
            ("bus.cursor", "Subscribers", "radio"),
            ("ledger.sequencer", "Sequencer", "git-commit-horizontal"),
        ),
    ),
    (
        "Data",
        (
            ("graph.entity", "Entities", "waypoints"),
            ("graph.edge", "Relations", "arrow-right-left"),
            ("connectors.ingestjob", "Imports", "import"),
            ("connectors.ingestmapping", "Mappings", "file-json"),
            ("vault.objectmanifest", "Stored objects", "package"),
        ),
    ),
    (
        "Staff",
        (
            ("identity.acting", "In tenants", "log-in"),
            ("portal.proposal", "Proposals", "send"),
            ("admin.logentry", "What staff did", "history"),
        ),
    ),
)
"""Heading to (model, label, icon)."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups; each page says who sees it, and a group without pages is left out by the template."""
    registry = {
        f"{model._meta.app_label}.{model._meta.model_name}": page for model, page in admin.site._registry.items()
    }

    def seen_by(model: str) -> Callable[[HttpRequest], bool]:
        return lambda asked: registry[model].has_view_permission(asked)

    front = {"title": "", "items": [{"title": "Overview", "icon": "activity", "link": reverse("admin:index")}]}
    groups = [
        {
            "title": title,
            "items": [
                {
                    "title": label,
                    "icon": icon,
                    "permission": seen_by(model),
                    "link": reverse(f"admin:{model.replace('.', '_')}_changelist"),
                }
                for model, label, icon in pages
                if model in registry
            ],
        }
        for title, pages in GROUPS
    ]
    return [front, *groups]
