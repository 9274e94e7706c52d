"""Verbs of second factors: authenticator apps and recovery codes."""

from django.db import transaction

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import Conflict, InvalidInput, NotFound
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.identity import recovery, second_factor
from apps.identity.events import (
    RecoveryCodesMade,
    RecoveryCodeUsed,
    SecondFactorEnrolled,
    SecondFactorRemoved,
)
from apps.identity.models import RecoveryCode, User
from apps.identity.services.stepping_up import require_recent
from apps.identity.types import AppInfo, Enrolment, Ways

MOST_APPS = 5


def ways_of(user: User) -> Ways:
    """Return which second factors the account has confirmed, and how many recovery codes are left."""
    return second_factor.ways_of(user)


def has_second_factor(user: User) -> bool:
    """Whether the account has a confirmed authenticator app or passkey."""
    return second_factor.has_any(user)


def enrol_second_factor(ctx: Context, *, user: User) -> str:
    """Give the account an authenticator device; return its secret in base32, once."""
    secret = second_factor.enrol(user)
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        bus.record(ctx, SecondFactorEnrolled(user.id), tenant_id=PLATFORM_TENANT_ID)
    return secret


def verify_second_factor(*, user: User, code: str) -> bool:
    """Whether `code` is the account's present code. Each code works once; guesses are slowed down."""
    return second_factor.verify(user, code)


def apps_of(user: User) -> list[AppInfo]:
    """Return the confirmed authenticator apps of an account, oldest first."""
    return second_factor.apps_of(user)


def begin_app(ctx: Context, *, user: User) -> Enrolment:
    """Return the secret of an authenticator app that is being added; it counts once a code of it was given.

    One that was begun and not finished is replaced. Raises StepUpRequired, Conflict when there are too many.
    """
    require_recent(ctx, user=user)
    if len(second_factor.apps_of(user)) >= MOST_APPS:
        raise Conflict(f"an account has at most {MOST_APPS} authenticator apps", mend="Remove one first.")
    return second_factor.begin(user)


def pending_app(*, user: User) -> Enrolment | None:
    """Return the authenticator app that is being added, or None."""
    return second_factor.pending(user)


def finish_app(ctx: Context, *, user: User, code: str) -> str:
    """Make the authenticator app count; return its device id. Raises StepUpRequired, NotFound when none was begun,
    InvalidInput for a wrong code."""
    require_recent(ctx, user=user)
    if second_factor.pending(user) is None:
        raise NotFound("no authenticator app is being added", mend="Begin again.")
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        device = second_factor.confirm(user, code)
        if device is not None:
            bus.record(ctx, SecondFactorEnrolled(user.id), tenant_id=PLATFORM_TENANT_ID)
    if device is None:
        raise InvalidInput("That code does not fit. Wait for the next one and try again.", field="code")
    return device


def remove_app(ctx: Context, *, user: User, app_id: int) -> None:
    """Take an authenticator app away. Raises StepUpRequired, NotFound, Conflict for the last factor of staff."""
    require_recent(ctx, user=user)
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        User.objects.select_for_update().get(id=user.pk)
        if user.is_staff and second_factor.count(user) < 2:
            raise Conflict("staff keep a second factor", mend="Add another one first.")
        if not second_factor.remove(user, app_id):
            raise NotFound("no such authenticator app")
        bus.record(ctx, SecondFactorRemoved(user.pk, app_id), tenant_id=PLATFORM_TENANT_ID)


def make_recovery_codes(ctx: Context, *, user: User) -> list[str]:
    """Return ten new recovery codes, once; earlier ones end. Raises StepUpRequired, Conflict without a second factor."""
    require_recent(ctx, user=user)
    if not second_factor.has_any(user):
        raise Conflict("there is nothing to recover yet", mend="Add an authenticator app or a passkey first.")
    codes = [recovery.generate() for _ in range(recovery.HOW_MANY)]
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        User.objects.select_for_update().get(id=user.pk)
        RecoveryCode.objects.filter(user_id=user.pk).delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user_id=user.pk, digest=recovery.digest(user.pk, code), created_at=ctx.now) for code in codes
        )
        bus.record(ctx, RecoveryCodesMade(user.pk, len(codes)), tenant_id=PLATFORM_TENANT_ID)
    return codes


def use_recovery_code(ctx: Context, *, user: User, code: str) -> bool:
    """Whether `code` is one of the account's that was not used yet; it is used up by asking."""
    if len(code) > 64:
        return False
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        fits = RecoveryCode.objects.filter(
            user_id=user.pk, digest=recovery.digest(user.pk, code), used_at__isnull=True
        ).update(used_at=ctx.now)
        if fits:
            left = RecoveryCode.objects.filter(user_id=user.pk, used_at__isnull=True).count()
            bus.record(ctx, RecoveryCodeUsed(user.pk, left), tenant_id=PLATFORM_TENANT_ID)
    return bool(fits)
