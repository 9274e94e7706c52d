"""The portal's session cookie as credentials: the account behind it and what is known of the session."""

from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.base_user import AbstractBaseUser

from apps.core.context import Actor, ActorKind, Context
from apps.core.scope import system_scope
from apps.core.values import altered

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
SECOND_FACTOR_AT = "ig_second_factor_at"
AUTHENTICATED_AT = "ig_authenticated_at"


def _moment(value: Any) -> datetime | None:
    """Return a moment that a session keeps as seconds since 1970 or as ISO 8601, or None."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def restore(ctx: Context, session_key: str) -> tuple[Context, AbstractBaseUser | None]:
    """Return `ctx` as the person signed in to that session, in no tenant yet, and the account.

    An ended session is nobody: `ctx` as it was, and None.
    """
    with system_scope("identity.authenticate"):
        session = SessionStore(session_key)
        user = get_user(SimpleNamespace(session=session, META={}))  # type: ignore[arg-type]
        if not isinstance(user, AbstractBaseUser) or not user.is_active:
            return ctx, None
        facts = altered(
            ctx.session,
            id=session_key[:8],
            authenticated_at=_moment(session.get(AUTHENTICATED_AT)),
            second_factor_at=_moment(session.get(SECOND_FACTOR_AT)),
            ends_at=session.ends_at,
        )
    person = ctx.but(
        actor=Actor(ActorKind.USER, str(user.pk), user.get_username()),
        session=facts,
        platform_roles=frozenset(getattr(user, "platform_roles", ())),
    )
    return person, user
