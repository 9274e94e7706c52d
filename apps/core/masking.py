"""Secrets in text that leaves the process (logs, spans): recognised by their form and by their name. Pure.

A second lock: nothing is meant to log a secret in the first place.
"""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
SECRET_NAMES = frozenset(
    {
        "authorization",
        "cookie",
        "set-cookie",
        "password",
        "passwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "x-csrftoken",
        "secret_key",
        "private_key",
        "csrfmiddlewaretoken",
        "totp_secret",
    }
)
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.S), MASK),
    (re.compile(r"\bigk_([0-9a-z]{10})_[A-Za-z0-9_-]{8,}"), r"igk_\1_" + MASK),  # our API keys
    (re.compile(r"\b(ig[ir])_[A-Za-z0-9_-]{8,}"), r"\1_" + MASK),  # links of invitations and resets
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), MASK),  # JSON web tokens
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), r"\1 " + MASK),
    (re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@"), r"\1:" + MASK + "@"),  # addresses with a password
    (
        re.compile(
            r"(?i)\b(password|passwd|secret|token|api_key|ig_session|ig_csrf)(['\"]?\s*[=:]\s*['\"]?)[^\s'\",;&}]+"
        ),
        r"\1\2" + MASK,
    ),
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def masked(text: str) -> str:
    """Return `text` with everything that has the form of a secret replaced."""
    for form, replacement in _FORMS:
        text = form.sub(replacement, text)
    return text


def anonymous(text: str) -> str:
    """Return `text` without secrets and without e-mail addresses."""
    return _ADDRESS.sub(MASK, masked(text))


def masked_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log event with secrets masked: by the name of the field, and by form in its texts (also nested)."""
    return {name: MASK if name.lower() in SECRET_NAMES and value else _value(value) for name, value in event.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return masked_event({str(name): inner for name, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return [_value(inner) for inner in value]
    return value
