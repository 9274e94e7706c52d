"""Where sessions of browsers are kept: Django's database store, with the columns that a list of sessions needs."""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from apps.core.ids import parse_id
from apps.identity.models import Session
from apps.identity.types import SESSION_AGENT, SESSION_IP, SESSION_OPENED

SEEN_EVERY = timedelta(minutes=1)


def public_id_of(session_key: str) -> UUID:
    """Return the id of a session for pages; nobody can go back from it to the key."""
    return UUID(bytes=hashlib.sha256(b"ig-session\n" + session_key.encode()).digest()[:16])


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


class SessionStore(DatabaseStore):
    """Sessions in `identity_session`, each with its account, where it was opened and when it was last used.

    `ends_at` is when a session that was loaded ends by itself.
    """

    ends_at: datetime | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        """Return the model that holds them."""
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        """Return the row for a session's data."""
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
        row.user_id = parse_id(str(data.get(SESSION_KEY) or ""))
        row.public_id = public_id_of(row.session_key)
        row.seen_at = timezone.now()
        row.created_at = _moment(data.get(SESSION_OPENED)) or row.seen_at
        row.ip = str(data.get(SESSION_IP) or "")[:64]
        row.agent = str(data.get(SESSION_AGENT) or "")[:300]
        return row

    def _get_session_from_db(self) -> Any:
        """Return the row, and note once a minute that the session is in use."""
        row = super()._get_session_from_db()  # type: ignore[misc]
        now = timezone.now()
        self.ends_at = None if row is None else row.expire_date
        if row is not None and now - row.seen_at > SEEN_EVERY:
            Session.objects.filter(session_key=row.session_key, seen_at__lt=now - SEEN_EVERY).update(seen_at=now)
        return row
