"""Verbs of passwords: changing one's own, and a new one by a link that is mailed to the account's address."""

from datetime import timedelta
from uuid import UUID

from axes.utils import reset as forgive_failures
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django_redis.exceptions import ConnectionInterrupted

from apps.bus import services as bus
from apps.core import mail
from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import InvalidInput, NotFound, RateLimited, Unavailable
from apps.core.ids import new_id
from apps.core.jobs import enqueue_named, send_named
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.identity import tickets
from apps.identity.events import PasswordChanged, PasswordResetSent
from apps.identity.models import PasswordReset, Session, User
from apps.identity.services.sign_in import account_hash, note_password_change
from apps.identity.services.stepping_up import require_recent
from apps.identity.session_store import public_id_of
from apps.identity.types import SEND_PASSWORD_NOTICE, SEND_RESET, Method

LIVES = timedelta(hours=1)
MOST_AN_HOUR, MOST_FROM_ADDRESS = 5, 30
"""Links for an account, and asks from a network address, in an hour."""
GONE = "this link does not hold"
GONE_MEND = "It works once and for an hour. Ask for another one."


def ask_for_reset(ctx: Context, *, email: str) -> None:
    """Let a link to a new password be mailed, if an account has this address.

    The same happens for every address: a look, and a message to the worker, which does the rest. Raises RateLimited
    after 30 asks in an hour from one network address, Unavailable when the queue is away.
    """
    key = f"reset:{ctx.session.ip or 'unknown'}"
    try:
        cache.add(key, 0, 3600)
        asked = cache.incr(key)
    except (ConnectionInterrupted, ValueError):
        raise Unavailable("this cannot be done now") from None
    if asked > MOST_FROM_ADDRESS:
        raise RateLimited("too many links were asked for from here", retry_after_s=3600)
    with system_scope("identity.authenticate"):
        found = User.objects.filter(email=email.strip().lower()).values_list("id", flat=True).first()
    if not send_named(ctx, SEND_RESET, user_id=str(found or new_id())):
        raise Unavailable("this cannot be done now")


def deliver_reset(ctx: Context, *, user_id: UUID) -> bool:
    """Make a link to a new password and mail it; return whether there was somebody to mail it to.

    Accounts that do not sign in by password, and closed ones, get none. Raises Unavailable.
    """
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        user = User.objects.select_for_update().filter(id=user_id, is_active=True).first()
        if user is None or not user.has_usable_password():
            return False
        sent = PasswordReset.objects.filter(user_id=user.pk, created_at__gt=ctx.now - timedelta(hours=1)).count()
        if sent >= MOST_AN_HOUR:
            return False
        token, digest = tickets.generate(tickets.RESET)
        PasswordReset.objects.create(user_id=user.pk, digest=digest, created_at=ctx.now, expires_at=ctx.now + LIVES)
        bus.record(ctx, PasswordResetSent(user.pk), tenant_id=PLATFORM_TENANT_ID)
    mail.send(
        "reset", to=user.email, subject="A new password for IntelGraph", values={"path": f"/login/reset/{token}/"}
    )
    return True


def check_reset(ctx: Context, *, token: str) -> None:
    """Raises NotFound, in the same words for every link that does not hold."""
    with system_scope("identity.authenticate"):
        _found(ctx, token, lock=False)


def _found(ctx: Context, token: str, *, lock: bool) -> PasswordReset:
    rows = PasswordReset.objects.select_related("user")
    if lock:
        rows = rows.select_for_update(of=("self", "user"))
    if tickets.holds_form(tickets.RESET, token):
        row = rows.filter(digest=tickets.digest(token), used_at=None, expires_at__gt=ctx.now).first()
        if row is not None and row.user.is_active:
            return row
    raise NotFound(GONE, mend=GONE_MEND)


def reset_password(ctx: Context, *, token: str, password: str, agent: str = "") -> User:
    """Set the password of the account that a link was mailed for. Every link and every session of the account ends; its
    second factors stay. Raises NotFound, InvalidInput for a weak password."""
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        row = _found(ctx, token, lock=True)
        user = row.user
        _set(user, password)
        PasswordReset.objects.filter(user_id=user.pk, used_at=None).update(used_at=ctx.now)
        ended = int(Session.objects.filter(user_id=user.pk).delete()[0])
        ctx = ctx.but(actor=Actor(ActorKind.USER, str(user.pk)))
        _record(ctx, user, Method.RESET_LINK, ended, agent)
        forgive_failures(username=account_hash(user.email))
    return user


def change_password(ctx: Context, *, user: User, password: str, session_key: str, agent: str = "") -> int:
    """Set the own password and end all other sessions; return how many there were.

    Raises StepUpRequired without a fresh confirmation, InvalidInput for a weak password.
    """
    require_recent(ctx, user=user)
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        User.objects.select_for_update().get(id=user.pk)
        _set(user, password)
        PasswordReset.objects.filter(user_id=user.pk, used_at=None).update(used_at=ctx.now)
        others = Session.objects.filter(user_id=user.pk).exclude(public_id=public_id_of(session_key))
        ended = int(others.delete()[0])
        _record(ctx, user, Method.PASSWORD, ended, agent)
    return ended


def _set(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), field="password") from None
    user.set_password(password)
    user.save(using="system", update_fields=["password"])


def _record(ctx: Context, user: User, method: Method, ended: int, agent: str) -> None:
    note_password_change(ctx, user=user, method=method, agent=agent)
    bus.record(ctx, PasswordChanged(user.pk, method.value, ended), tenant_id=PLATFORM_TENANT_ID)
    enqueue_named(ctx, SEND_PASSWORD_NOTICE, user_id=str(user.pk))


def deliver_password_notice(ctx: Context, *, user_id: UUID) -> bool:
    """Tell the account's address that its password changed; return whether there is one. Raises Unavailable."""
    with system_scope("identity.authenticate"):
        user = User.objects.filter(id=user_id).first()
    if user is None or not mail.possible():
        return False
    mail.send(
        "password_changed",
        to=user.email,
        subject="Your password was changed",
        values={"at": ctx.now, "path": "/login/reset/"},
    )
    return True
