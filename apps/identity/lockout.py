"""How long guessing passwords is allowed: django-axes, with three limits where it knows one, and without addresses.

Failures of the last 15 minutes are counted for an account from one network address, for an account from anywhere, and
for a network address over all accounts (see docs/decisions/0009-lock-out.md). What is kept of an account is its keyed
hash, so the table holds no e-mail address.
"""

from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.core.cache import cache
from django.db.models import Q, Sum
from django.dispatch import receiver
from django.http import HttpRequest

from apps.core.context import Context, SessionFacts
from apps.identity import services

ACCOUNT_FROM_ADDRESS, ACCOUNT, ADDRESS = 8, 40, 120
"""Failures in 15 minutes at which sign-in closes."""
CLOSED_S = 15 * 60


def account_of(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Return what failures are counted under: a keyed hash of the address that was tried (AXES_USERNAME_CALLABLE)."""
    said = credentials or {}
    return services.account_hash(str(said.get("email") or said.get("username") or ""))


def closeness(pair: int, account: int, address: int) -> int:
    """Return how near the nearest limit is, on the scale of ACCOUNT_FROM_ADDRESS (reached: closed)."""
    return max(
        pair, account * ACCOUNT_FROM_ADDRESS // ACCOUNT, address * ACCOUNT_FROM_ADDRESS // ADDRESS
    )  # rounded down: a limit counts when it is reached


class Handler(AxesDatabaseHandler):
    """The library's handler; failures are weighed by three limits in one query."""

    def get_failures(self, request: Any, credentials: dict[str, Any] | None = None) -> int:
        """Return the recent failures on the scale of AXES_FAILURE_LIMIT."""
        account = Q(username=get_client_username(request, credentials))
        address = Q(ip_address=request.axes_ip_address)
        counted = AccessAttempt.objects.filter(
            account | address, attempt_time__gte=get_cool_off_threshold(request)
        ).aggregate(
            pair=Sum("failures_since_start", filter=account & address, default=0),
            account=Sum("failures_since_start", filter=account, default=0),
            address=Sum("failures_since_start", filter=address, default=0),
        )
        return closeness(**counted)


@receiver(user_locked_out)
def note(sender: object, request: HttpRequest, username: str, ip_address: str, **more: Any) -> None:
    """Put a lock-out on record, once for as long as it lasts."""
    if cache.add(f"locked:{username}:{ip_address}", 1, CLOSED_S):
        services.note_lock_out(Context(session=SessionFacts(ip=ip_address)), account=username)
