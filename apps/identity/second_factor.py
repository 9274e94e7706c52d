"""Second factors on django-otp's devices: time-based codes (RFC 6238), passkeys."""

import base64

from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from apps.core.scope import system_scope
from apps.identity.models import User
from apps.identity.types import Ways


def enrol(user: User) -> str:
    """Give the account a confirmed authenticator device; return its secret in base32 (shown once, to its owner)."""
    with system_scope("identity.authenticate"):
        device = TOTPDevice.objects.create(user=user, name="authenticator", confirmed=True)
    return base64.b32encode(bytes.fromhex(device.key)).decode()


def ways_of(user: User) -> Ways:
    """Return which second factors the account has confirmed."""
    with system_scope("identity.authenticate"):
        return Ways(
            app=TOTPDevice.objects.filter(user=user, confirmed=True).exists(),
            passkey=WebAuthnCredential.objects.filter(user=user, confirmed=True).exists(),
        )


def verify(user: User, code: str) -> bool:
    """Whether `code` is the device's present code; each code works once, guesses are slowed down."""
    if not code.isascii() or not code.isdigit() or len(code) != 6:
        return False
    with system_scope("identity.authenticate"):
        for device in TOTPDevice.objects.filter(user=user, confirmed=True):
            allowed, _ = device.verify_is_allowed()
            if allowed and device.verify_token(code):
                return True
    return False
