"""Verbs of platform staff in a tenant: entering it for a reason and a time, leaving it, and the end of that time."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.clock import iso
from apps.core.context import Context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from apps.core.ids import parse_id
from apps.core.scope import system_scope
from apps.identity import selectors
from apps.identity.events import ActingEnded, ActingStarted
from apps.identity.models import Acting, User
from apps.identity.services.stepping_up import require_recent
from apps.identity.types import ActingEnd, ActingInfo
from apps.tenants import services as tenants
from apps.tenants.types import TenantInfo

MINUTES = (30, 60)
"""For how long staff may act in a tenant at once."""
SHORTEST_REASON = 10


def start_acting(ctx: Context, *, tenant: TenantInfo, reason: str, minutes: int, wide: bool = False) -> ActingInfo:
    """Let the caller, one of the platform's staff, act in a tenant until the time is over; elsewhere they stop acting.

    They read there as a reader does; `wide` gives them an analyst's roles. Raises Forbidden for anybody else,
    StepUpRequired, InvalidInput for a reason that says nothing or another time, Conflict for a member of that tenant,
    TenantSuspended.
    """
    if minutes not in MINUTES:
        raise InvalidInput(f"choose {' or '.join(map(str, MINUTES))} minutes", field="minutes")
    if len(reason.strip()) < SHORTEST_REASON:
        raise InvalidInput("say why, in a few words", field="reason", mend="Name the ticket, or who asked.")
    tenants.admit(tenant)
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        key = parse_id(ctx.actor.id)
        user = User.objects.select_for_update().filter(id=key, is_active=True).first() if key else None
        if user is None or not user.is_staff:
            raise Forbidden("this is for platform staff")
        require_recent(ctx, user=user)
        if selectors.membership(user.pk, tenant.id) is not None:
            raise Conflict("you are a member of this tenant", mend="Enter it as such.")
        for row in Acting.objects.select_for_update().filter(user_id=user.pk, ended_at=None):
            _end(ctx, row, ActingEnd.EXPIRED if row.ends_at <= ctx.now else ActingEnd.STOPPED)
        row = Acting.objects.create(
            tenant_id=tenant.id,
            user_id=user.pk,
            staff_name=user.get_short_name()[:120],
            reason=reason.strip()[:500],
            wide=wide,
            started_at=ctx.now,
            ends_at=ctx.now + timedelta(minutes=minutes),
        )
        started = ActingStarted(row.id, user.pk, row.reason, iso(row.ends_at), wide)
        bus.record(ctx.but(tenant_id=tenant.id), started, tenant_id=tenant.id)
    return selectors.acting_info(row)


def _end(ctx: Context, row: Acting, how: ActingEnd) -> None:
    row.ended_at, row.ended_how = min(ctx.now, row.ends_at), how.value
    row.save(update_fields=["ended_at", "ended_how"])
    bus.record(ctx.but(tenant_id=row.tenant_id), ActingEnded(row.id, row.user_id, how.value), tenant_id=row.tenant_id)


def stop_acting(ctx: Context, *, user: User) -> int:
    """End the caller's own time in a tenant at once; return whether there was any (0 or 1)."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        rows = list(Acting.objects.select_for_update().filter(user_id=user.pk, ended_at=None))
        for row in rows:
            _end(ctx, row, ActingEnd.EXPIRED if row.ends_at <= ctx.now else ActingEnd.STOPPED)
    return len(rows)


def end_acting(ctx: Context, *, acting_id: UUID, how: ActingEnd = ActingEnd.BY_TENANT) -> ActingInfo:
    """End a staff member's time in the tenant in scope, from the commit on. Raises NotFound when it is over already."""
    with transaction.atomic():
        row = Acting.objects.select_for_update().filter(id=acting_id, ended_at=None).first()
        if row is None or row.ends_at <= ctx.now:
            raise NotFound("nobody acts here under this entry any more")
        _end(ctx, row, how)
    return selectors.acting_info(row)


def expire_acting(ctx: Context) -> int:
    """Put on record that times are over; return how many were. They opened nothing any more since they ended."""
    with system_scope("identity.acting"), transaction.atomic(using="system"):
        due = Acting.objects.select_for_update(skip_locked=True).filter(ended_at=None, ends_at__lte=ctx.now)
        rows = list(due.order_by("ends_at")[:100])
        for row in rows:
            _end(ctx, row, ActingEnd.EXPIRED)
    return len(rows)


def acting_in(ctx: Context, *, user: User, tenant_id: UUID) -> ActingInfo | None:
    """Return under which entry `user` acts in that tenant now, or None. The session must hold a second factor."""
    if not user.is_staff or ctx.session.second_factor_at is None:
        return None
    found = selectors.acting_now(ctx, user)
    return found if found is not None and found.tenant_id == tenant_id else None
