"""Verbs of signing in: what is put on record, and second factors by code."""

import hashlib
import hmac

from django.conf import settings
from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.identity import second_factor
from apps.identity.events import SecondFactorEnrolled, SignedIn, SignedOut, SignInFailed
from apps.identity.models import User
from apps.identity.types import Ways


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


def ways_of(user: User) -> Ways:
    """Return which second factors the account has confirmed."""
    return second_factor.ways_of(user)


def has_second_factor(user: User) -> bool:
    """Whether the account has a confirmed authenticator app or passkey."""
    return second_factor.ways_of(user).any
