"""Verbs of tokens of tenants' identity providers: whom a tenant trusts, who holds a token, which are revoked."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.bus import services as bus
from apps.core.context import Actor, ActorKind, Context, SessionFacts
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from apps.core.kept import Kept
from apps.core.scope import require_tenant_id, system_scope
from apps.core.values import altered
from apps.identity import jwks, measures, tokens
from apps.identity.events import IssuerDistrusted, IssuerTrusted, TokenRevoked
from apps.identity.models import RevokedToken, TrustedIssuer
from apps.identity.selectors import issuer_info
from apps.identity.services.entering import into
from apps.identity.services.granting import require_grantable
from apps.identity.types import IssuerInfo, Role
from apps.tenants.selectors import by_id

ISSUERS: Kept[str, IssuerInfo] = Kept("identity.issuer")
REFUSED = "the credentials are not valid"
MOST_SEEN = 20_000
MOST_ISSUERS = 10
MOST_ROLES = 50


@dataclass(frozen=True, slots=True)
class _Seen:
    """A token that held, until it expires or its issuer changes (which a revocation is)."""

    expires_at: float
    key: str
    issuer: IssuerInfo
    actor: Actor
    roles: frozenset[str]
    said: tokens.Said


_seen: OrderedDict[bytes, _Seen] = OrderedDict()
_seen_lock = threading.Lock()


def audience_of(slug: str) -> str:
    """Return the audience that tokens for a tenant must name."""
    return f"{settings.BASE_URL}/t/{slug}"


def authenticate_jwt(ctx: Context, token: str) -> Context:
    """Return `ctx` as the holder of a token of a tenant's identity provider, in that tenant.

    Raises Unauthenticated, with one quiet message for every reason (the reason goes to the log), TenantSuspended.
    """
    now = ctx.now.timestamp()
    digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
    seen = _seen.get(digest)
    if seen is not None and now < seen.expires_at:
        issuer = _issuer(seen.key)
        if issuer is seen.issuer or issuer == seen.issuer:
            measures.TOKENS.labels("seen").inc()
            return _entered(ctx, seen)
    try:
        made = _verified(ctx, token)
    except tokens.TokenRefused as refusal:
        with _seen_lock:
            _seen.pop(digest, None)
        measures.TOKENS.labels("refused").inc()
        raise Unauthenticated(REFUSED, reason=f"token: {refusal.reason}") from None
    with _seen_lock:
        _seen[digest] = made
        while len(_seen) > MOST_SEEN:
            _seen.popitem(last=False)
    measures.TOKENS.labels("verified").inc()
    return _entered(ctx, made)


def _entered(ctx: Context, seen: _Seen) -> Context:
    tenant = by_id(seen.issuer.tenant_id)
    if tenant is None:
        raise Unauthenticated(REFUSED, reason="token: tenant")
    return into(ctx.but(session=_session(ctx.session, seen.said)), tenant, seen.roles, seen.actor)


def _session(around: SessionFacts, said: tokens.Said) -> SessionFacts:
    """Return what is known of a token holder's session: what the token says goes before what a proxy says, unless the
    proxy says worse."""
    trusted = said.device_trusted if around.device_trusted is not False else False
    return altered(
        around,
        id=said.id,
        authenticated_at=said.authenticated_at,
        second_factor_at=said.second_factor_at,
        device_trusted=trusted if trusted is not None else around.device_trusted,
        risk=said.risk if around.risk == "low" else around.risk,
        country=around.country or said.country,
        ends_at=said.ends_at,
    )


def _verified(ctx: Context, token: str) -> _Seen:
    said = tokens.read(token)
    ours = [one for one in said.audiences if one.startswith(audience_of(""))]
    if len(ours) != 1:
        raise tokens.TokenRefused("audience")
    key = f"{ours[0].removeprefix(audience_of(''))}\n{said.issuer}"
    issuer = _issuer(key)
    if issuer is None:
        raise tokens.TokenRefused("issuer")
    try:
        known = jwks.key_for(issuer.jwks_url, said.kid)
    except jwks.KeysAway:
        raise tokens.TokenRefused("key set away") from None
    if known is None:
        raise tokens.TokenRefused("unknown kid")
    held = tokens.verify(token, said, known=known, audience=ours[0], now=ctx.now)
    if held.digest in issuer.revoked:
        raise tokens.TokenRefused("revoked")
    roles = tokens.roles_of(held.claims, issuer.role_claim, issuer.role_map)
    if not roles:
        raise tokens.TokenRefused("no role")
    actor = Actor(ActorKind.API_KEY, str(uuid5(issuer.id, held.subject)), f"token of {issuer.name}")
    return _Seen(held.expires_at, key, issuer, actor, roles, tokens.session_of(held))


@dataclass(frozen=True, slots=True)
class EventToken:
    """A security event token that holds: who says it, in which tenant, and its claims."""

    issuer: IssuerInfo
    tenant_slug: str
    actor: Actor
    claims: Mapping[str, Any]


class EventTokenRefused(Exception):
    """A security event token that does not hold; `err` is a code of RFC 8935 section 2.4."""

    def __init__(self, err: str, reason: str) -> None:
        super().__init__(reason)
        self.err, self.reason = err, reason


def token_holder(ctx: Context, *, issuer: str, subject: str) -> Actor:
    """Return the actor that a token of this issuer for this subject acts as in the tenant in scope.

    Raises NotFound when the tenant does not trust the issuer.
    """
    row = TrustedIssuer.objects.filter(issuer=issuer, active=True).first()
    if row is None:
        raise NotFound("no such identity provider")
    # The subject may be an address: what records carry is an id that only the issuer's subject gives.
    return Actor(ActorKind.API_KEY, str(uuid5(row.id, subject)), f"token of {row.name}")


def verify_event_token(ctx: Context, token: str) -> EventToken:
    """Return a security event token (RFC 8417) of an identity provider that the tenant named in its audience trusts.

    Raises EventTokenRefused.
    """
    try:
        said = tokens.read(token, types=tokens.EVENT_TYPES)
        ours = [one for one in said.audiences if one.startswith(audience_of(""))]
        if len(ours) != 1:
            raise EventTokenRefused("invalid_audience", "the audience is none of ours")
        slug = ours[0].removeprefix(audience_of(""))
        issuer = _issuer(f"{slug}\n{said.issuer}")
        if issuer is None:
            raise EventTokenRefused("invalid_issuer", "the issuer is not trusted here")
        known = jwks.key_for(issuer.jwks_url, said.kid)
        if known is None:
            raise EventTokenRefused("invalid_key", "the key is not in the issuer's key set")
        claims = tokens.verify_event(token, said, known=known, audience=ours[0], now=ctx.now)
    except jwks.KeysAway:
        raise EventTokenRefused("invalid_key", "the issuer's key set cannot be read now") from None
    except tokens.TokenRefused as refusal:
        known_reasons = {"signature": "invalid_key", "aud": "invalid_audience", "iss": "invalid_issuer"}
        raise EventTokenRefused(known_reasons.get(refusal.reason, "invalid_request"), refusal.reason) from None
    return EventToken(issuer, slug, Actor(ActorKind.SERVICE, f"issuer:{issuer.id}", issuer.name), claims)


def _issuer(key: str) -> IssuerInfo | None:
    def read() -> IssuerInfo | None:
        slug, _, issuer = key.partition("\n")
        with system_scope("identity.authenticate"):
            row = TrustedIssuer.objects.filter(tenant__slug=slug, issuer=issuer, active=True).first()
            if row is None:
                return None
            revoked = RevokedToken.objects.filter(issuer_id=row.id).values_list("digest", flat=True)
            return issuer_info(row, frozenset(bytes(one) for one in revoked))

    return ISSUERS.get(key, read)


def trust_issuer(
    ctx: Context,
    *,
    name: str,
    issuer: str,
    jwks_url: str,
    role_map: Mapping[str, str],
    role_claim: str = "roles",
) -> IssuerInfo:
    """Trust an identity provider's tokens in the tenant in scope; `role_map` gives a role for values of `role_claim`.

    Raises InvalidInput naming the field, Forbidden for roles above the caller's own, Conflict when it is trusted already
    or there are too many.
    """
    name, issuer, jwks_url, role_claim = name.strip(), issuer.strip(), jwks_url.strip(), role_claim.strip()
    if not 0 < len(name) <= 120:
        raise InvalidInput("a name of 1 to 120 characters is needed", field="name")
    if not 0 < len(issuer) <= 500 or "\n" in issuer:
        raise InvalidInput("an issuer of 1 to 500 characters is needed", field="issuer")
    if not 0 < len(role_claim) <= 120:
        raise InvalidInput("the name of a claim is needed", field="role_claim")
    try:
        jwks.check_url(jwks_url)
    except ValueError as error:
        raise InvalidInput(str(error), field="jwks_url") from None
    roles = frozenset(role_map.values())
    if not 0 < len(role_map) <= MOST_ROLES or not all(0 < len(value) <= 255 for value in role_map):
        raise InvalidInput(f"1 to {MOST_ROLES} values with a role are needed", field="role_map")
    if Role.OWNER in roles or not roles <= set(Role):
        raise InvalidInput("tokens may have any role of a tenant but owner", field="role_map")
    require_grantable(ctx, roles)
    try:
        with transaction.atomic():
            if TrustedIssuer.objects.filter(active=True).count() >= MOST_ISSUERS:
                raise Conflict(f"a tenant trusts at most {MOST_ISSUERS} identity providers")
            if TrustedIssuer.objects.filter(issuer=issuer, active=True).exists():
                raise Conflict("this issuer is trusted already", field="issuer", mend="Remove it first to change it.")
            row, _ = TrustedIssuer.objects.update_or_create(
                issuer=issuer,
                defaults={
                    "name": name,
                    "jwks_url": jwks_url,
                    "role_claim": role_claim,
                    "role_map": dict(role_map),
                    "active": True,
                    "created_by": ctx.actor.ref,
                    "created_at": ctx.now,
                },
            )
            bus.record(ctx, IssuerTrusted(row.id, issuer, tuple(sorted(roles))))
            _changed(row)
    except IntegrityError:
        raise Conflict("this issuer is trusted already", field="issuer") from None
    return issuer_info(row)


def distrust_issuer(ctx: Context, *, issuer_id: UUID) -> None:
    """End the trust in an identity provider: its tokens are refused from the commit on. Raises NotFound."""
    with transaction.atomic():
        row = _locked(issuer_id)
        row.active = False
        row.save(update_fields=["active"])
        bus.record(ctx, IssuerDistrusted(row.id))
        _changed(row)


def revoke_token(ctx: Context, *, issuer_id: UUID, jti: str = "", token: str = "") -> None:
    """Refuse a token, named by its `jti` or given whole, from the commit on. Raises InvalidInput, NotFound.

    What is revoked is kept as long as a token can live; later the token has expired by itself.
    """
    if bool(jti) == bool(token) or len(jti) > 500 or len(token) > tokens.LARGEST:
        raise InvalidInput("give either the token's jti or the token", field="jti")
    digest = tokens.digest_of(token, jti)
    until = ctx.now + timedelta(seconds=tokens.LONGEST_S + 2 * tokens.SKEW_S)
    with transaction.atomic():
        row = _locked(issuer_id)
        RevokedToken.objects.filter(issuer_id=row.id, until__lt=ctx.now).delete()
        RevokedToken.objects.update_or_create(issuer_id=row.id, digest=digest, defaults={"until": until})
        bus.record(ctx, TokenRevoked(row.id, digest.hex()))
        _changed(row)


def _locked(issuer_id: UUID) -> TrustedIssuer:
    row = TrustedIssuer.objects.select_for_update().filter(id=issuer_id, active=True).first()
    if row is None:
        raise NotFound("no such identity provider")
    return row


def _changed(row: TrustedIssuer) -> None:
    tenant = by_id(require_tenant_id())
    if tenant is None:
        raise Forbidden("this tenant is not open")
    ISSUERS.changed(f"{tenant.slug}\n{row.issuer}")
