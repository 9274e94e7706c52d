"""Second factors on django-otp's devices: time-based codes (RFC 6238), passkeys. Rows only; the verbs are services."""

import base64

from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from apps.core.scope import system_scope
from apps.identity.models import RecoveryCode, User
from apps.identity.types import AppInfo, Enrolment, Ways


def _secret(device: TOTPDevice) -> str:
    return base64.b32encode(bytes.fromhex(device.key)).decode()


def enrol(user: User) -> str:
    """Give the account a confirmed authenticator device; return its secret in base32 (shown once, to its owner)."""
    with system_scope("identity.authenticate"):
        device = TOTPDevice.objects.create(user=user, name="authenticator", confirmed=True)
    return _secret(device)


def ways_of(user: User) -> Ways:
    """Return which second factors the account has confirmed."""
    with system_scope("identity.authenticate"):
        return Ways(
            app=TOTPDevice.objects.filter(user=user, confirmed=True).exists(),
            passkey=WebAuthnCredential.objects.filter(user=user, confirmed=True).exists(),
            codes_left=RecoveryCode.objects.filter(user=user, used_at__isnull=True).count(),
        )


def has_any(user: User) -> bool:
    """Return whether the account has confirmed an app or a passkey."""
    with system_scope("identity.authenticate"):
        return any(
            model.objects.filter(user=user, confirmed=True).exists() for model in (TOTPDevice, WebAuthnCredential)
        )


def count(user: User) -> int:
    """Return how many apps and passkeys the account has confirmed, in the caller's transaction."""
    models = (TOTPDevice, WebAuthnCredential)
    return sum(model.objects.filter(user=user, confirmed=True).count() for model in models)


def apps_of(user: User) -> list[AppInfo]:
    """Return the confirmed authenticator apps, oldest first."""
    with system_scope("identity.authenticate"):
        rows = TOTPDevice.objects.filter(user=user, confirmed=True).order_by("id")
        return [AppInfo(row.id, row.name, row.created_at, row.last_used_at) for row in rows]


def begin(user: User) -> Enrolment:
    """Begin an authenticator app that does not count yet, in place of one begun before."""
    with system_scope("identity.authenticate"):
        TOTPDevice.objects.filter(user=user, confirmed=False).delete()
        device = TOTPDevice.objects.create(user=user, name="authenticator", confirmed=False)
    return Enrolment(_secret(device), device.config_url)


def pending(user: User) -> Enrolment | None:
    """Return the app that was begun and not finished."""
    with system_scope("identity.authenticate"):
        device = TOTPDevice.objects.filter(user=user, confirmed=False).order_by("-id").first()
        return Enrolment(_secret(device), device.config_url) if device else None


def confirm(user: User, code: str) -> str | None:
    """Make the app that was begun count when `code` is its present one; return its device id, else None."""
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).order_by("-id").first()
    if device is None or not _six_digits(code) or not device.verify_is_allowed()[0] or not device.verify_token(code):
        return None
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    return str(device.persistent_id)


def remove(user: User, app_id: int) -> bool:
    """Delete a confirmed app, in the caller's transaction; whether there was one."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True, id=app_id).delete()[0])


def verify(user: User, code: str) -> bool:
    """Whether `code` is the device's present code; each code works once, guesses are slowed down."""
    if not _six_digits(code):
        return False
    with system_scope("identity.authenticate"):
        for device in TOTPDevice.objects.filter(user=user, confirmed=True):
            allowed, _ = device.verify_is_allowed()
            if allowed and device.verify_token(code):
                return True
    return False


def _six_digits(code: str) -> bool:
    return code.isascii() and code.isdigit() and len(code) == 6
