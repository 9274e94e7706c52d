"""Verbs of sessions: which there are, and ending them. What is ended is nobody from the commit on."""

from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import NotFound
from apps.core.scope import PLATFORM_TENANT_ID, require_tenant_id, system_scope
from apps.identity import selectors
from apps.identity.events import MemberSessionsRevoked, SessionsRevoked
from apps.identity.models import Session, User
from apps.identity.session_store import public_id_of


def end_session(ctx: Context, *, user: User, session_id: UUID) -> None:
    """End one session of the own account. Raises NotFound for any other."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        if not Session.objects.filter(user_id=user.pk, public_id=session_id).delete()[0]:
            raise NotFound("no such session", mend="It may have ended by itself. Open the list again.")
        bus.record(ctx, SessionsRevoked(user.pk, 1), tenant_id=PLATFORM_TENANT_ID)


def end_other_sessions(ctx: Context, *, user: User, session_key: str) -> int:
    """End every session of the own account but the one with this key; return how many there were."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        others = Session.objects.filter(user_id=user.pk).exclude(public_id=public_id_of(session_key))
        ended = int(others.delete()[0])
        if ended:
            bus.record(ctx, SessionsRevoked(user.pk, ended), tenant_id=PLATFORM_TENANT_ID)
    return ended


def end_member_sessions(ctx: Context, *, user_id: UUID) -> int:
    """End every session of a member of the tenant in scope; return how many there were. Raises NotFound.

    A session is not a tenant's alone: the member is signed out everywhere, and signs in again.
    """
    tenant_id = require_tenant_id()
    if selectors.membership(user_id, tenant_id) is None:
        raise NotFound("no such member")
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        ended = int(Session.objects.filter(user_id=user_id).delete()[0])
        bus.record(ctx, MemberSessionsRevoked(user_id, ended), tenant_id=tenant_id)
        if ended:  # open connections to other tenants hear of it too
            bus.record(ctx, SessionsRevoked(user_id, ended), tenant_id=PLATFORM_TENANT_ID)
    return ended
