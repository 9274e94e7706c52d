"""Verbs of identity: accounts, members, keys, and who a request comes from."""

import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.identity import keys, second_factor, selectors
from apps.identity.events import (
    ApiKeyCreated,
    ApiKeyRevoked,
    MemberAdded,
    MemberRemoved,
    MemberRolesChanged,
    SecondFactorEnrolled,
    SignedIn,
    SignedOut,
    SignInFailed,
    UserCreated,
)
from apps.identity.models import ApiKey, Membership, User
from apps.identity.types import SCOPE_ROLES, ApiKeyInfo, KeyScope, MembershipInfo, NewApiKey, PlatformRole, Role
from apps.tenants import services as tenants
from apps.tenants.selectors import by_id
from apps.tenants.types import TenantInfo

LAST_USED_EVERY = timedelta(minutes=1)


def create_user(
    ctx: Context, *, email: str, password: str | None, name: str = "", platform_roles: tuple[str, ...] = ()
) -> User:
    """Create an account. `password` None makes one that cannot sign in by password.

    Raises InvalidInput for a bad address, weak password or unknown role, Conflict when the address is taken.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput("this is not an e-mail address", field="email") from None
    if unknown := set(platform_roles) - set(PlatformRole):
        raise InvalidInput(f"unknown platform role: {', '.join(sorted(unknown))}", field="platform_roles")
    user = User(email=email, name=name, platform_roles=sorted(platform_roles))
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise InvalidInput(" ".join(error.messages), field="password") from None
    user.set_password(password)
    with system_scope("identity.authenticate"):
        try:
            with transaction.atomic(using="system"):
                user.save(using="system", force_insert=True)
                bus.record(ctx, UserCreated(user.id, tuple(sorted(platform_roles))), tenant_id=PLATFORM_TENANT_ID)
        except IntegrityError:
            raise Conflict("an account of that address exists", field="email") from None
    return user


def _check_roles(roles: frozenset[str]) -> None:
    if not roles:
        raise InvalidInput("a member needs at least one role", field="roles")
    if unknown := roles - set(Role):
        raise InvalidInput(
            f"unknown role: {', '.join(sorted(unknown))}", field="roles", mend=f"Use some of {', '.join(Role)}."
        )


def add_member(ctx: Context, *, user_id: UUID, roles: frozenset[str]) -> MembershipInfo:
    """Make an account a member of the tenant in scope, with these roles; a former member comes back.

    Raises InvalidInput for unknown roles, NotFound for an unknown account.
    """
    _check_roles(roles)
    with transaction.atomic():
        try:
            row, _ = Membership.objects.update_or_create(
                user_id=user_id, defaults={"roles": sorted(roles), "active": True}
            )
        except IntegrityError:
            raise NotFound("no such account") from None
        bus.record(ctx, MemberAdded(row.id, user_id, tuple(sorted(roles))))
    found = selectors.membership(user_id, row.tenant_id)
    if found is None:
        raise NotFound("no such account")
    return found


def _owners_but(user_id: UUID) -> bool:
    return Membership.objects.filter(active=True, roles__contains=[Role.OWNER.value]).exclude(user_id=user_id).exists()


def change_roles(ctx: Context, *, user_id: UUID, roles: frozenset[str]) -> None:
    """Give a member of the tenant in scope other roles.

    Raises InvalidInput for unknown roles, NotFound for a stranger, Conflict when the last owner would go.
    """
    _check_roles(roles)
    with transaction.atomic():
        row = Membership.objects.select_for_update().filter(user_id=user_id, active=True).first()
        if row is None:
            raise NotFound("no such member")
        before = tuple(sorted(row.roles))
        if Role.OWNER in row.roles and Role.OWNER not in roles and not _owners_but(user_id):
            raise Conflict("the last owner must stay owner", field="roles", mend="Make someone else an owner first.")
        row.roles = sorted(roles)
        row.save(update_fields=["roles"])
        bus.record(ctx, MemberRolesChanged(row.id, user_id, before, tuple(sorted(roles))))


def remove_member(ctx: Context, *, user_id: UUID) -> None:
    """End a membership of the tenant in scope at once. Raises NotFound, Conflict when the last owner would go."""
    with transaction.atomic():
        row = Membership.objects.select_for_update().filter(user_id=user_id, active=True).first()
        if row is None:
            raise NotFound("no such member")
        if Role.OWNER in row.roles and not _owners_but(user_id):
            raise Conflict("the last owner cannot be removed", mend="Make someone else an owner first.")
        row.active = False
        row.save(update_fields=["active"])
        bus.record(ctx, MemberRemoved(row.id, user_id))


def create_api_key(ctx: Context, *, name: str, scope: str, expires_at: datetime | None = None) -> NewApiKey:
    """Make an API key of the tenant in scope; the token is returned once and never kept.

    Raises InvalidInput for an empty name, an unknown scope or an expiry in the past.
    """
    if not name.strip() or len(name) > 120:
        raise InvalidInput("a name of 1 to 120 characters is needed", field="name")
    if scope not in set(KeyScope):
        raise InvalidInput(f"scope must be one of {', '.join(KeyScope)}", field="scope")
    if expires_at is not None and expires_at <= ctx.now:
        raise InvalidInput("the expiry lies in the past", field="expires_at")
    token, prefix, digest = keys.generate()
    with transaction.atomic():
        row = ApiKey.objects.create(
            name=name.strip(),
            prefix=prefix,
            digest=digest,
            scope=scope,
            created_by=ctx.actor.ref,
            expires_at=expires_at,
        )
        bus.record(ctx, ApiKeyCreated(row.id, scope, expires_at.isoformat() if expires_at else ""))
    return NewApiKey(selectors.key_info(row), token)


def revoke_api_key(ctx: Context, *, key_id: UUID) -> ApiKeyInfo:
    """Revoke a key of the tenant in scope; it is refused from the commit on. Raises NotFound. Twice is once."""
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().filter(id=key_id).first()
        if row is None:
            raise NotFound("no such key")
        if row.revoked_at is None:
            row.revoked_at = ctx.now
            row.save(update_fields=["revoked_at"])
            bus.record(ctx, ApiKeyRevoked(row.id))
    return selectors.key_info(row)


def _into(ctx: Context, tenant: TenantInfo, roles: frozenset[str], actor: Actor) -> Context:
    tenants.admit(tenant)
    return ctx.but(actor=actor, tenant_id=tenant.id, tenant_slug=tenant.slug, region=tenant.home_region, roles=roles)


def authenticate_token(ctx: Context, token: str) -> Context:
    """Return `ctx` as the machine that holds this API key, in the key's tenant.

    Raises Unauthenticated, with one quiet message for every reason (the reason goes to the log), TenantSuspended.
    """
    parts = keys.split(token)
    if parts is None:
        raise Unauthenticated("the credentials are not valid", reason="form")
    prefix, secret = parts
    with system_scope("identity.authenticate"):
        row = ApiKey.objects.filter(prefix=prefix).first()
        reason = _refusal(row, secret, ctx.now)
        if row is None or reason:
            raise Unauthenticated("the credentials are not valid", reason=reason)
        if row.last_used_at is None or ctx.now - row.last_used_at > LAST_USED_EVERY:
            ApiKey.objects.filter(id=row.id).update(last_used_at=ctx.now)
    tenant = by_id(row.tenant_id)
    if tenant is None:
        raise Unauthenticated("the credentials are not valid", reason="tenant")
    found = _into(ctx, tenant, SCOPE_ROLES[row.scope], Actor(ActorKind.API_KEY, str(row.id), row.name))
    return found.but(scopes=frozenset({row.scope}))


def _refusal(row: ApiKey | None, secret: str, now: datetime) -> str:
    if row is None or not keys.holds(secret, bytes(row.digest)):
        return "unknown"
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return ""


def enter_as_member(ctx: Context, *, user: User, tenant: TenantInfo) -> Context:
    """Return `ctx` as this person in this tenant. Raises NotFound for a stranger: the tenant is not told of."""
    found = selectors.membership(user.id, tenant.id)
    if found is None or not user.is_active:
        raise NotFound("no such tenant")
    return _into(ctx, tenant, found.roles, Actor(ActorKind.USER, str(user.id), user.name or user.email))


def account_hash(email: str) -> str:
    """Return a keyed hash of an address: the same address gives the same hash here, and nobody else can compute it."""
    key = hashlib.sha256(b"ig-account\n" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, email.strip().lower().encode(), hashlib.sha256).hexdigest()[:32]


def note_sign_in(ctx: Context, *, user: User, second_factor: bool) -> None:
    """Record that someone signed in, in the platform's ledger."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, SignedIn(user.id, second_factor), tenant_id=PLATFORM_TENANT_ID)


def note_sign_out(ctx: Context, *, user: User) -> None:
    """Record that someone signed out, in the platform's ledger."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, SignedOut(user.id), tenant_id=PLATFORM_TENANT_ID)


def note_refusal(ctx: Context, *, email: str, reason: str) -> None:
    """Record that a sign-in was refused, in the platform's ledger."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, SignInFailed(account_hash(email), reason), tenant_id=PLATFORM_TENANT_ID)


def enrol_second_factor(ctx: Context, *, user: User) -> str:
    """Give the account an authenticator device; return its secret in base32, once."""
    secret = second_factor.enrol(user)
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, SecondFactorEnrolled(user.id), tenant_id=PLATFORM_TENANT_ID)
    return secret


def verify_second_factor(*, user: User, code: str) -> bool:
    """Whether `code` is the account's present code. Each code works once; guesses are slowed down."""
    return second_factor.verify(user, code)


def has_second_factor(user: User) -> bool:
    """Whether the account has a confirmed authenticator device."""
    return second_factor.enrolled(user)
