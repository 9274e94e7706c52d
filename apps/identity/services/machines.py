"""Verbs of machines: API keys, and who holds one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from apps.core.kept import Kept
from apps.core.scope import system_scope
from apps.core.statements import run_prepared
from apps.core.values import altered
from apps.identity import key_uses, keys, selectors
from apps.identity.events import ApiKeyCreated, ApiKeyRevoked, ApiKeyRotated
from apps.identity.models import ApiKey
from apps.identity.services.entering import into
from apps.identity.services.granting import require_grantable
from apps.identity.services.tokens import authenticate_jwt
from apps.identity.tokens import looks_like_one
from apps.identity.types import SCOPE_ROLES, ApiKeyInfo, KeyScope, NewApiKey
from apps.tenants.selectors import by_id

OVERLAP, LONGEST_OVERLAP = timedelta(days=1), timedelta(days=30)
_FIND = "select id, tenant_id, name, digest, scope, expires_at, revoked_at from identity_apikey where prefix = %s"


@dataclass(frozen=True, slots=True)
class _Held:
    """What authentication asks of a key."""

    id: UUID
    tenant_id: UUID
    name: str
    digest: bytes
    scope: str
    expires_at: datetime | None
    revoked_at: datetime | None


KEYS: Kept[str, _Held] = Kept("identity.key")


def create_api_key(ctx: Context, *, name: str, scope: str, expires_at: datetime | None = None) -> NewApiKey:
    """Make an API key of the tenant in scope; the token is returned once and never kept.

    Raises InvalidInput for an empty name, an unknown scope or an expiry in the past, Forbidden for a scope above the
    caller's own roles.
    """
    if not name.strip() or len(name) > 120:
        raise InvalidInput("a name of 1 to 120 characters is needed", field="name")
    if scope not in set(KeyScope):
        raise InvalidInput(f"scope must be one of {', '.join(KeyScope)}", field="scope")
    if expires_at is not None and expires_at <= ctx.now:
        raise InvalidInput("the expiry lies in the past", field="expires_at")
    require_grantable(ctx, SCOPE_ROLES[scope])
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
            KEYS.changed(row.prefix)
    return selectors.key_info(row)


def rotate_api_key(ctx: Context, *, key_id: UUID, overlap: timedelta = OVERLAP) -> NewApiKey:
    """Make the successor of a key: same name, scope and length of life. Both hold for `overlap`; then the old one ends.

    Raises NotFound, InvalidInput for an overlap over 30 days, Conflict for a key that ended or was rotated already.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidInput("keys overlap for at most 30 days", field="overlap")
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().filter(id=key_id).first()
        if row is None:
            raise NotFound("no such key")
        if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= ctx.now):
            raise Conflict("this key has ended", mend="Make a new one.")
        if row.replaced_by is not None:
            raise Conflict("this key has a successor already", mend="Rotate that one.")
        lives = row.expires_at - row.created_at if row.expires_at else None
        made = create_api_key(ctx, name=row.name, scope=row.scope, expires_at=ctx.now + lives if lives else None)
        row.replaced_by = made.info.id
        row.expires_at = min(filter(None, (row.expires_at, ctx.now + overlap)))
        row.save(update_fields=["replaced_by", "expires_at"])
        bus.record(ctx, ApiKeyRotated(row.id, made.info.id, row.expires_at.isoformat()))
        KEYS.changed(row.prefix)
    return made


def authenticate_token(ctx: Context, token: str) -> Context:
    """Return `ctx` as the machine that holds this API key, or this token of a tenant's identity provider, in its tenant.

    Raises Unauthenticated, with one quiet message for every reason (the reason goes to the log), TenantSuspended.
    """
    parts = keys.split(token)
    if parts is None and looks_like_one(token):
        return authenticate_jwt(ctx, token)
    if parts is None:
        raise Unauthenticated("the credentials are not valid", reason="form")
    prefix, secret = parts

    def read() -> _Held | None:
        with system_scope("identity.authenticate"):
            found = run_prepared("system", _FIND, (prefix,))
        return _Held(*found[0]) if found else None

    row = KEYS.get(prefix, read)
    reason = _refusal(row, secret, ctx.now)
    if row is None or reason:
        raise Unauthenticated("the credentials are not valid", reason=reason)
    tenant = by_id(row.tenant_id)
    if tenant is None:
        raise Unauthenticated("the credentials are not valid", reason="tenant")
    key_uses.note(row.id, ctx.now)
    actor = Actor(ActorKind.API_KEY, str(row.id), row.name)
    if row.expires_at is not None:
        ctx = ctx.but(session=altered(ctx.session, ends_at=row.expires_at))
    return into(ctx, tenant, SCOPE_ROLES[row.scope], actor, frozenset({row.scope}))


def flush_key_uses() -> int:
    """Write now when keys were used last, as the end of a process does; return how many rows changed."""
    return key_uses.flush()


def _refusal(row: _Held | None, secret: str, now: datetime) -> str:
    if row is None or not keys.holds(secret, row.digest):
        return "unknown"
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return ""
