"""WebAuthn ceremonies as we run them (WebAuthn Level 3, sections 7.1 and 7.2), on django-otp-webauthn and py_webauthn.

A ceremony begins with options whose challenge is kept here for five minutes under a random handle, which the browser
holds in a cookie; it ends when the handle is handed in, and the challenge is gone whatever came of it.
"""

import hashlib
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnCredential
from webauthn.helpers.structs import UserVerificationRequirement

from apps.core import conf

LIFETIME_S = 300
REGISTER, ASSERT = "register", "assert"
LARGEST_BODY = 64 * 1024


class Helper(WebAuthnHelper):
    """The library's ceremonies with user verification always required, and the origins that are ours."""

    def __init__(self, host: str) -> None:
        self.host = host

    def get_relying_party_domain(self) -> str:
        """The relying party's id: the host name that people type."""
        return str(settings.OTP_WEBAUTHN_RP_ID)

    def get_relying_party_name(self) -> str:
        """What authenticators show."""
        return str(settings.OTP_WEBAUTHN_RP_NAME)

    def get_allowed_origins(self) -> list[str]:
        """Origins whose ceremonies count."""
        return origins_for(self.host)

    def get_credential_display_name(self, user: Any) -> str:
        """What authenticators show beside the address."""
        return str(user.get_short_name())

    def get_generate_registration_options_kwargs(self, *, user: Any) -> dict[str, Any]:
        """As the library's, but the authenticator must verify the user."""
        kwargs: dict[str, Any] = super().get_generate_registration_options_kwargs(user=user)
        kwargs["authenticator_selection"].user_verification = UserVerificationRequirement.REQUIRED
        return kwargs

    def get_generate_authentication_options_kwargs(self, **more: Any) -> dict[str, Any]:
        """As the library's, but a credential may be reached by any transport: a synced passkey answers from devices
        other than the one that made it, and browsers skip a credential whose transports do not fit."""
        kwargs: dict[str, Any] = super().get_generate_authentication_options_kwargs(**more)
        for descriptor in kwargs.get("allow_credentials", ()):
            descriptor.transports = None
        return kwargs


def origins_for(host: str) -> list[str]:
    """Return the origins that may hold a ceremony for a request to `host`.

    The one of IG_BASE_URL. On one machine (embedded mode) also `http://localhost:PORT` when it was asked for by that
    name: an address by number cannot be a relying party.
    """
    found = list(settings.OTP_WEBAUTHN_ALLOWED_ORIGINS)
    if conf.get().embedded and urlsplit(f"//{host}").hostname == "localhost":
        found.append(f"http://{host}")
    return found


def keep(kind: str, state: dict[str, Any], user_id: str) -> str:
    """Keep what a ceremony needs at its end; return its handle."""
    handle = secrets.token_urlsafe(32)
    cache.set(_key(handle), json.dumps({"kind": kind, "user": user_id, **state}), LIFETIME_S)
    return handle


def take(kind: str, handle: str, user_id: str) -> dict[str, Any] | None:
    """Return what was kept under `handle`, once, for the same kind of ceremony and the same caller; else None.

    Deleting decides who was first: of two requests with one handle, one gets None.
    """
    if not handle or len(handle) > 64:
        return None
    key = _key(handle)
    text = cache.get(key)
    if text is None or not cache.delete(key):
        return None
    state: dict[str, Any] = json.loads(text)
    return state if state["kind"] == kind and state["user"] == user_id else None


def _key(handle: str) -> str:
    return "ceremony:" + hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()


def credential_by_id(raw_id: bytes) -> Any:
    """Return the credential of that id with its row locked, or None."""
    digest = WebAuthnCredential.get_credential_id_sha256(raw_id)
    return WebAuthnCredential.objects.select_for_update().filter(credential_id_sha256=digest).first()
