"""Verbs of signing in: what is put on record."""

import hashlib
import hmac
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.ids import new_id
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.identity import measures
from apps.identity.events import AccountLocked, SignedIn, SignedOut, SignInFailed
from apps.identity.models import SignIn, User
from apps.identity.types import Method, Outcome

LOCKED_NOTED_EVERY_S = 60
KEPT_FOR = timedelta(days=180)
"""How long attempts stay on the pages; the ledger keeps its records of them."""


def account_hash(email: str) -> str:
    """Return a keyed hash of an address: the same address gives the same hash here, and nobody else can compute it."""
    key = hashlib.sha256(b"ig-account\n" + settings.SECRET_KEY.encode()).digest()
    return hmac.new(key, email.strip().lower().encode(), hashlib.sha256).hexdigest()[:32]


def _note(ctx: Context, *, user_id: UUID | None, outcome: Outcome, method: str, agent: str, reason: str = "") -> None:
    """Write an attempt into its account's history.

    For nobody the same statements run, and are undone: else the time of an answer would tell which accounts exist.
    """
    measures.SIGN_INS.labels(outcome.value, method or "none").inc()
    with transaction.atomic(using="system"):
        SignIn.objects.create(
            user_id=user_id or new_id(),
            at=ctx.now,
            outcome=outcome.value,
            method=method,
            reason=reason[:120],
            ip=ctx.session.ip,
            agent=agent[:300],
        )
        SignIn.objects.filter(user_id=user_id or new_id(), at__lt=ctx.now - KEPT_FOR).delete()
        if user_id is None:
            transaction.set_rollback(True, using="system")


def note_sign_in(
    ctx: Context, *, user: User, second_factor: bool, method: str = Method.PASSWORD, agent: str = ""
) -> None:
    """Record that someone signed in (or, for a second factor of a session that exists, confirmed)."""
    confirmed = second_factor and ctx.session.authenticated_at is not None
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        outcome = Outcome.CONFIRMED if confirmed else Outcome.SIGNED_IN
        _note(ctx, user_id=user.id, outcome=outcome, method=method, agent=agent)
        bus.record(ctx, SignedIn(user.id, second_factor, method), tenant_id=PLATFORM_TENANT_ID)


def note_sign_out(ctx: Context, *, user: User) -> None:
    """Record that someone signed out, in the platform's ledger."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, SignedOut(user.id), tenant_id=PLATFORM_TENANT_ID)


def note_refusal(ctx: Context, *, email: str, reason: str, method: str = Method.PASSWORD, agent: str = "") -> None:
    """Record that a sign-in was refused: in the platform's ledger under a keyed hash of the address, and, when there is
    an account of that address, in its history. While sign-in is closed it is recorded once a minute, not each time."""
    account = account_hash(email)
    locked = reason == "locked"
    if locked and not cache.add(f"refused:{account}:{ctx.session.ip}", 1, LOCKED_NOTED_EVERY_S):
        measures.SIGN_INS.labels(Outcome.LOCKED.value, method).inc()
        return
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        found = User.objects.filter(email=email.strip().lower()).values_list("id", flat=True).first()
        outcome = Outcome.LOCKED if locked else Outcome.REFUSED
        _note(ctx, user_id=found, outcome=outcome, method=method, agent=agent, reason=reason)
        bus.record(ctx, SignInFailed(account, reason[:120], method), tenant_id=PLATFORM_TENANT_ID)


def note_password_change(ctx: Context, *, user: User, method: str, agent: str = "") -> None:
    """Write into an account's history that its password changed, in the caller's transaction and scope."""
    _note(ctx, user_id=user.pk, outcome=Outcome.CHANGED, method=method, agent=agent)


def note_lock_out(ctx: Context, *, account: str) -> None:
    """Record that sign-in to an account (a keyed hash) was closed to an origin after too many refusals."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, AccountLocked(account), tenant_id=PLATFORM_TENANT_ID)
    measures.LOCK_OUTS.inc()
