"""Reads of identity."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from apps.core.context import Context
from apps.core.scope import system_scope
from apps.identity.models import Acting, ApiKey, Invitation, Membership, Session, SignIn, TrustedIssuer, User
from apps.identity.session_store import public_id_of
from apps.identity.types import (
    ActingInfo,
    ApiKeyInfo,
    InvitationInfo,
    IssuerInfo,
    MembershipInfo,
    Outcome,
    SessionInfo,
    SignInInfo,
)

LOOKED_AT = 5_000


def _member(row: Any) -> MembershipInfo:
    return MembershipInfo(
        id=row.id,
        tenant_id=row.tenant_id,
        user_id=row.user_id,
        email=row.user.email,
        name=row.user.name,
        roles=frozenset(row.roles),
        active=row.active,
    )


def key_info(row: Any) -> ApiKeyInfo:
    """Return a key row without its digest."""
    return ApiKeyInfo(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        prefix=row.prefix,
        scope=row.scope,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
        replaced_by=row.replaced_by,
    )


def issuer_info(row: Any, revoked: frozenset[bytes] = frozenset()) -> IssuerInfo:
    """Return a trusted issuer's row as a value."""
    return IssuerInfo(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        issuer=row.issuer,
        jwks_url=row.jwks_url,
        role_claim=row.role_claim,
        role_map=row.role_map,
        active=row.active,
        created_at=row.created_at,
        revoked=revoked,
    )


def trusted_issuers(ctx: Context) -> list[IssuerInfo]:
    """Return the identity providers that the tenant in scope trusts, by name."""
    return [issuer_info(row) for row in TrustedIssuer.objects.filter(active=True).order_by("name")]


def memberships_of(user_id: UUID) -> list[MembershipInfo]:
    """Return the active memberships of an account in all tenants (before one is entered)."""
    with system_scope("identity.authenticate"):
        rows = Membership.objects.filter(user_id=user_id, active=True).select_related("user").order_by("tenant__slug")
        return [_member(row) for row in rows]


def membership(user_id: UUID, tenant_id: UUID) -> MembershipInfo | None:
    """Return the account's active membership of that tenant, or None."""
    with system_scope("identity.authenticate"):
        row = (
            Membership.objects.filter(user_id=user_id, tenant_id=tenant_id, active=True).select_related("user").first()
        )
    return _member(row) if row and row.user.is_active else None


def members(ctx: Context) -> list[MembershipInfo]:
    """Return the members of the tenant in scope, by address."""
    return [_member(row) for row in Membership.objects.select_related("user").order_by("user__email")]


def invitation_info(row: Any) -> InvitationInfo:
    """Return an invitation's row without its digest."""
    return InvitationInfo(
        row.id, row.email, tuple(row.roles), row.created_by, row.asked_at, row.sent_at, row.expires_at
    )


def invitations(ctx: Context) -> list[InvitationInfo]:
    """Return the invitations of the tenant in scope that wait, newest first; also those whose time is over."""
    return [invitation_info(row) for row in Invitation.objects.filter(open=True).order_by("-asked_at")[:200]]


def acting_info(row: Any) -> ActingInfo:
    """Return staff's time in a tenant as a value."""
    return ActingInfo(
        row.id,
        row.tenant_id,
        row.user_id,
        row.staff_name,
        row.reason,
        row.wide,
        row.started_at,
        row.ends_at,
        row.ended_at,
        row.ended_how,
    )


def acting_now(ctx: Context, user: User) -> ActingInfo | None:
    """Return where this person of the platform's staff acts now, or None."""
    with system_scope("identity.authenticate"):
        row = Acting.objects.filter(user_id=user.pk, ended_at=None, ends_at__gt=ctx.now).first()
    return acting_info(row) if row else None


def acted(ctx: Context, *, limit: int = 20) -> list[ActingInfo]:
    """Return who of the platform's staff acted in the tenant in scope, newest first."""
    return [acting_info(row) for row in Acting.objects.order_by("-started_at")[:limit]]


def staff_names_of(ctx: Context, user_ids: set[UUID]) -> dict[UUID, str]:
    """Return the names of those of the platform's staff among them who acted in the tenant in scope."""
    return dict(Acting.objects.filter(user_id__in=user_ids).values_list("user_id", "staff_name"))


def names_of(ctx: Context, user_ids: set[UUID]) -> dict[UUID, str]:
    """Return the display name of each of these members of the tenant in scope; others are left out."""
    rows = User.objects.filter(id__in=user_ids)
    return {row.id: row.name or row.email for row in rows}


def api_keys(ctx: Context) -> list[ApiKeyInfo]:
    """Return the keys of the tenant in scope, newest first."""
    return [key_info(row) for row in ApiKey.objects.order_by("-created_at")]


def user_by_email(email: str) -> User | None:
    """Return the account of that address, or None (before a tenant is entered)."""
    with system_scope("identity.authenticate"):
        return User.objects.filter(email=email.strip().lower()).first()


def first_device(user: User) -> str | None:
    """Return the persistent id of the account's confirmed authenticator app or else passkey, or None."""
    with system_scope("identity.authenticate"):
        for model in (TOTPDevice, WebAuthnCredential):
            device = model.objects.filter(user=user, confirmed=True).order_by("id").first()
            if device is not None:
                return str(device.persistent_id)
    return None


def sessions_of(user: User, session_key: str) -> list[SessionInfo]:
    """Return the sessions of an account that have not ended, last used first; `session_key` is the asking one."""
    own = public_id_of(session_key) if session_key else None
    with system_scope("identity.authenticate"):
        rows = Session.objects.filter(user_id=user.pk, expire_date__gt=timezone.now()).order_by("-seen_at")[:200]
        return [
            SessionInfo(row.public_id, row.created_at, row.seen_at, row.ip, row.agent, row.public_id == own)
            for row in rows
        ]


def sessions_open() -> int:
    """Return how many sessions of all accounts have not ended."""
    with system_scope("identity.authenticate"):
        return Session.objects.filter(expire_date__gt=timezone.now()).count()


def refusals_since(since: datetime) -> int:
    """Return how many attempts to sign in to known accounts were refused since then, of the newest `LOOKED_AT`."""
    refused = {Outcome.REFUSED.value, Outcome.LOCKED.value}
    with system_scope("identity.authenticate"):
        newest = SignIn.objects.order_by("-pk").values_list("at", "outcome")[:LOOKED_AT]
        return sum(at >= since and outcome in refused for at, outcome in newest)


def _attempt(row: SignIn) -> SignInInfo:
    return SignInInfo(row.user_id, row.at, Outcome(row.outcome), row.method, row.reason, row.ip, row.agent)


def sign_ins_of(user: User, *, limit: int = 50) -> list[SignInInfo]:
    """Return the newest attempts to sign in to an account."""
    with system_scope("identity.authenticate"):
        return [_attempt(row) for row in SignIn.objects.filter(user_id=user.pk).order_by("-at")[:limit]]


def sign_ins_of_member(ctx: Context, user_id: UUID, *, limit: int = 50) -> list[SignInInfo]:
    """Return the newest attempts to sign in of a member of the tenant in scope; of others there are none to see."""
    return [_attempt(row) for row in SignIn.objects.filter(user_id=user_id).order_by("-at")[:limit]]


def member_by_email(email: str) -> UUID | None:
    """Return the account of the active member with that address in the tenant in scope, or None."""
    found = Membership.objects.filter(user__email=email.strip().lower(), active=True).values_list("user_id", flat=True)
    return found.first()
