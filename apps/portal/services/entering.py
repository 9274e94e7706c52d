"""Entries into the admin, on record."""

from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.portal.events import AdminEntered


def note_admin_entry(ctx: Context, *, user_id: UUID) -> None:
    """Record in the platform's ledger that someone entered the admin and now works across tenants."""
    with system_scope("portal.admin"), transaction.atomic(using="system"):
        event = AdminEntered(user_id, tuple(sorted(ctx.platform_roles)), ctx.session.id)
        bus.record(ctx, event, tenant_id=PLATFORM_TENANT_ID)
