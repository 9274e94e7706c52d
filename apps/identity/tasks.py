"""Background jobs of identity."""

from typing import Any
from uuid import UUID

from apps.core.context import Context
from apps.core.errors import Unavailable
from apps.core.jobs import job
from apps.identity import services
from apps.identity.types import EXPIRE_ACTING, SEND_INVITATION, SEND_PASSWORD_NOTICE, SEND_RESET, SEND_WAITING

PATIENCE: dict[str, Any] = {
    "autoretry_for": (Unavailable,),
    "retry_backoff": 5,
    "retry_backoff_max": 300,
    "max_retries": 6,
}
"""A mail server that is away is asked again for a quarter of an hour."""


@job(SEND_INVITATION, **PATIENCE)
def send_invitation(ctx: Context, *, invitation_id: str) -> None:
    """Mail an invitation."""
    services.deliver_invitation(ctx, invitation_id=UUID(invitation_id))


@job(SEND_WAITING)
def send_waiting(ctx: Context) -> None:
    """Find invitations that the queue never got, and forget old ones."""
    services.send_waiting_invitations(ctx)
    services.forget_invitations(ctx)


@job(SEND_RESET, **PATIENCE)
def send_reset(ctx: Context, *, user_id: str) -> None:
    """Mail a link to a new password, if there is such an account."""
    services.deliver_reset(ctx, user_id=UUID(user_id))


@job(SEND_PASSWORD_NOTICE, **PATIENCE)
def send_password_notice(ctx: Context, *, user_id: str) -> None:
    """Mail that a password changed."""
    services.deliver_password_notice(ctx, user_id=UUID(user_id))


@job(EXPIRE_ACTING)
def expire_acting(ctx: Context) -> None:
    """Put the end of staff's times in tenants on record."""
    services.expire_acting(ctx)
