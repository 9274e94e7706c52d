"""Verb of signals: take a security event token that a tenant's identity provider pushes (RFC 8935)."""

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.scope import tenant_scope
from apps.identity import selectors as identity_selectors
from apps.identity import services as identity
from apps.policy import measures, postures, security_events
from apps.policy.errors import EventRefused
from apps.policy.events import SignalReceived
from apps.policy.models import SignalEntry
from apps.policy.security_events import Subject


def receive_events(ctx: Context, *, token: str) -> int:
    """Take a token's events; return how many signals are new. A token that came before changes nothing.

    The audience names the tenant, as in tokens of access; the key is one of the issuer's key set. What an issuer says
    counts in the tenant that trusts it, about that tenant's members and its own token holders, and nowhere else.
    Raises EventRefused with the code that RFC 8935 gives it.
    """
    try:
        held = identity.verify_event_token(ctx, token)
    except identity.EventTokenRefused as refusal:
        measures.SIGNALS.labels("", "refused").inc()
        raise EventRefused(refusal.err, refusal.reason) from None
    told = security_events.read(held.claims, ctx.now)
    inside = ctx.but(tenant_id=held.issuer.tenant_id, tenant_slug=held.tenant_slug, actor=held.actor)
    new = 0
    with tenant_scope(held.issuer.tenant_id), transaction.atomic():
        about = _reference(told.subject, held.issuer.issuer, inside) if told.subject else ""
        if not about:
            measures.SIGNALS.labels("", "ignored").inc()
            return 0
        for kind, value, at in told.signals:
            row, made = SignalEntry.objects.get_or_create(
                issuer=held.issuer.issuer,
                jti=told.jti,
                kind=kind.value,
                defaults={"subject": about, "value": value, "at": at, "received_at": ctx.now},
            )
            measures.SIGNALS.labels(kind.value, "new" if made else "known").inc()
            if made:
                new += 1
                bus.record(inside, SignalReceived(about, kind.value, value, row.issuer, row.jti))
        if new:
            postures.POSTURES.changed(held.issuer.tenant_id)
    return new


def _reference(subject: Subject, issuer: str, ctx: Context) -> str:
    """Return the reference of the member or token holder that is meant, an empty text when there is none here.

    Raises EventRefused when an issuer speaks of another issuer's subjects.
    """
    if subject.email:
        user_id = identity_selectors.member_by_email(subject.email)
        return f"user:{user_id}" if user_id else ""
    if subject.issuer != issuer:
        raise EventRefused("invalid_issuer", "an issuer speaks of its own subjects only")
    return identity.token_holder(ctx, issuer=issuer, subject=subject.sub).ref
