"""Django's doors to accounts: they are found before a tenant is known, so in a named system scope."""

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from apps.core.ids import parse_id
from apps.core.scope import system_scope
from apps.identity.models import User


class AccountBackend(BaseBackend):
    """E-mail and password."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Return the account, or None. An unknown address costs the same time as a wrong password."""
        email = (username or kwargs.get("email") or "").strip().lower()
        if not email or password is None:
            return None
        with system_scope("identity.authenticate"):
            user = User.objects.filter(email=email).first()
            if user is None:
                User().set_password(password)
                return None
            return user if user.check_password(password) and user.is_active else None

    def get_user(self, user_id: Any) -> User | None:
        """Return the active account of that id, or None."""
        key = parse_id(str(user_id))
        if key is None:
            return None
        with system_scope("identity.authenticate"):
            return User.objects.filter(id=key, is_active=True).first()

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Permissions live on the account's platform roles (see `User.has_perm`)."""
        return False
