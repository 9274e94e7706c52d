"""Verbs of passkeys: register one, sign in or step up with one, take it away."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django_otp_webauthn.models import WebAuthnCredential, WebAuthnUserHandle
from webauthn.helpers.exceptions import InvalidAuthenticationResponse, WebAuthnException

from apps.bus import services as bus
from apps.core.context import Context
from apps.core.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from apps.core.scope import PLATFORM_TENANT_ID, system_scope
from apps.core.telemetry import get_logger
from apps.identity import ceremonies
from apps.identity.events import PasskeyAdded, PasskeyCloneSuspected, PasskeyRemoved
from apps.identity.models import User
from apps.identity.services.stepping_up import require_recent
from apps.identity.types import NAME_LENGTH, PasskeyInfo

log = get_logger(__name__)

MOST_PASSKEYS = 20
REFUSED = "this passkey was not accepted"


def _info(row: Any) -> PasskeyInfo:
    return PasskeyInfo(row.id, row.name, row.created_at, row.last_used_at, row.backup_state, row.persistent_id)


def passkeys_of(user: User) -> list[PasskeyInfo]:
    """Return the passkeys of an account, oldest first."""
    with system_scope("identity.authenticate"):
        return [_info(row) for row in WebAuthnCredential.objects.filter(user_id=user.pk).order_by("id")]


def origins_for(host: str) -> list[str]:
    """Return the origins whose pages may hold a ceremony for a request to `host`."""
    return ceremonies.origins_for(host)


def begin_registration(ctx: Context, *, user: User, host: str) -> tuple[dict[str, Any], str]:
    """Return the options for `navigator.credentials.create` (Level 3 JSON) and the ceremony's handle.

    Raises StepUpRequired when the caller was not confirmed just now, Conflict when there are too many.
    """
    require_recent(ctx, user=user)
    with system_scope("identity.authenticate"):
        if WebAuthnCredential.objects.filter(user_id=user.pk).count() >= MOST_PASSKEYS:
            raise Conflict(f"an account has at most {MOST_PASSKEYS} passkeys", mend="Remove one that you do not use.")
        with transaction.atomic(using="system"):
            options, state = ceremonies.Helper(host).register_begin(user)
    return options, ceremonies.keep(ceremonies.REGISTER, state, str(user.pk))


def finish_registration(
    ctx: Context, *, user: User, host: str, handle: str, credential: Mapping[str, Any], name: str = ""
) -> PasskeyInfo:
    """Keep the passkey that the browser made. Raises InvalidInput (quiet; the reason goes to the log), StepUpRequired,
    Conflict for a credential that is registered already."""
    state = ceremonies.take(ceremonies.REGISTER, handle, str(user.pk))
    require_recent(ctx, user=user)
    if state is None:
        raise InvalidInput(REFUSED, mend="Start again.", reason="ceremony")
    try:
        with system_scope("identity.authenticate"), transaction.atomic(using="system"):
            row = ceremonies.Helper(host).register_complete(user, state, dict(credential))
            row.name = _name(name) or f"Passkey of {ctx.now:%-d %B %Y}"
            row.confirmed = True
            row.save(update_fields=["name", "confirmed"])
            bus.record(ctx, PasskeyAdded(user.pk, row.id), tenant_id=PLATFORM_TENANT_ID)
    except IntegrityError:
        raise Conflict("this passkey is registered already", field="id") from None
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        # py_webauthn reads hostile CBOR and JSON; some of what it meets there surfaces as plain errors.
        log.info("passkey registration refused", reason=str(error)[:200], user=str(user.pk))
        raise InvalidInput(REFUSED, mend="Start again.", reason=str(error)[:200]) from None
    return _info(row)


def begin_assertion(*, user: User | None, host: str) -> tuple[dict[str, Any], str]:
    """Return the options for `navigator.credentials.get` and the ceremony's handle.

    For nobody the list of credentials is empty: the authenticator finds its own, and no account is told apart.
    """
    with system_scope("identity.authenticate"):
        options, state = ceremonies.Helper(host).authenticate_begin(user, require_user_verification=True)
    return options, ceremonies.keep(ceremonies.ASSERT, state, str(user.pk) if user else "")


def finish_assertion(
    ctx: Context, *, user: User | None, host: str, handle: str, credential: Mapping[str, Any]
) -> tuple[User, str]:
    """Return the account whose passkey signed, and the device id that sessions keep.

    `user` is who is signed in (a step-up: it must be their passkey) or None (a sign-in). Raises Unauthenticated with
    one quiet message for every reason: no such ceremony, unknown credential, wrong origin, signature, counter, user not
    verified; the reason goes to the log and, by the door, to the ledger.
    """
    state = ceremonies.take(ceremonies.ASSERT, handle, str(user.pk) if user else "")
    if state is None:
        raise Unauthenticated(REFUSED, reason="ceremony")
    clone = None
    try:
        with system_scope("identity.authenticate"), transaction.atomic(using="system"):
            row = ceremonies.credential_by_id(_decoded(credential.get("rawId")))
            if row is None or not row.confirmed or (user is not None and row.user_id != user.pk):
                raise Unauthenticated(REFUSED, reason="unknown credential")
            owner = User.objects.filter(id=row.user_id, is_active=True).first()
            if owner is None:
                raise Unauthenticated(REFUSED, reason="inactive account")
            if user is None:
                _check_handle(owner, credential)
            clone = row
            row = ceremonies.Helper(host).authenticate_complete(user, state, dict(credential))
            return owner, str(row.persistent_id)
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = str(error)[:200]
        if isinstance(error, InvalidAuthenticationResponse) and "sign count" in reason and clone is not None:
            reason = "signature counter went back: a copy of this passkey may exist"
            with system_scope("identity.authenticate"), transaction.atomic(using="system"):
                bus.record(ctx, PasskeyCloneSuspected(clone.user_id, clone.id), tenant_id=PLATFORM_TENANT_ID)
        raise Unauthenticated(REFUSED, reason=reason) from None


def remove_passkey(ctx: Context, *, user: User, passkey_id: int) -> None:
    """Take a passkey away; it opens nothing from the commit on. Raises StepUpRequired, NotFound."""
    require_recent(ctx, user=user)
    with system_scope("identity.authenticate"), transaction.atomic(using="system"):
        row = WebAuthnCredential.objects.select_for_update().filter(user_id=user.pk, id=passkey_id).first()
        if row is None:
            raise NotFound("no such passkey")
        bus.record(ctx, PasskeyRemoved(user.pk, row.id), tenant_id=PLATFORM_TENANT_ID)
        row.delete()


def _name(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())[:NAME_LENGTH]


def _decoded(text: Any) -> bytes:
    """Return the bytes of base64url text. Raises Unauthenticated for anything else."""
    if not isinstance(text, str) or len(text) > 2048:
        raise Unauthenticated(REFUSED, reason="form")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise Unauthenticated(REFUSED, reason="form") from None


def _check_handle(owner: User, credential: Mapping[str, Any]) -> None:
    """Section 7.2 step 6: without a user known before, the credential must name its own (`userHandle`)."""
    response = credential.get("response")
    given = response.get("userHandle") if isinstance(response, Mapping) else None
    known = WebAuthnUserHandle.objects.filter(user_id=owner.pk).first()
    if known is None or _decoded(given) != known.handle:
        raise Forbidden(REFUSED, reason="user handle")
