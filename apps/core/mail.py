"""Mail that the product sends: one address of a server in the settings, and messages from templates.

A message is `templates/email/<name>.txt` and `.html`; both extend `email/base.txt` and `email/base.html`. It is sent by
a background job, so that no page waits for a mail server or tells by its time who has an account.
"""

import smtplib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from apps.core.errors import Unavailable
from apps.core.metrics import MAIL_SENT
from apps.core.telemetry import get_logger

log = get_logger(__name__)

TIMEOUT_S = 20
_BACKENDS = "django.core.mail.backends"
_PORTS = {"smtp": 587, "smtps": 465}


def transport(url: str, folder: Path, *, embedded: bool) -> dict[str, Any]:
    """Return Django's settings for the mail server at `url`; without one, embedded mode writes files into `folder`.

    `smtp:` speaks TLS by STARTTLS (not with `?tls=off`, for a server on the same machine), `smtps:` from the first byte;
    `file:FOLDER` and `console:` send nothing. Raises ValueError for anything else.
    """
    if not url:
        backend = "filebased" if embedded else "dummy"
        return {"EMAIL_BACKEND": f"{_BACKENDS}.{backend}.EmailBackend", "EMAIL_FILE_PATH": str(folder)}
    parts = urlsplit(url)
    if parts.scheme == "console":
        return {"EMAIL_BACKEND": f"{_BACKENDS}.console.EmailBackend"}
    if parts.scheme == "file" and parts.path:
        return {"EMAIL_BACKEND": f"{_BACKENDS}.filebased.EmailBackend", "EMAIL_FILE_PATH": unquote(parts.path)}
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("EMAIL_URL must look like smtp://user:password@host:587, smtps://…, file:FOLDER or console:")
    plain = parse_qs(parts.query).get("tls", [""])[-1] == "off"
    return {
        "EMAIL_BACKEND": f"{_BACKENDS}.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or _PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp" and not plain,
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": TIMEOUT_S,
    }


def leaves() -> bool:
    """Whether mail leaves this machine; without a server it is written to files, or nowhere."""
    return bool(settings.EMAIL_BACKEND.endswith("smtp.EmailBackend"))


def written_to() -> str:
    """Return the folder that mail is written to instead of being sent, empty when it is sent."""
    return (
        str(getattr(settings, "EMAIL_FILE_PATH", ""))
        if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")
        else ""
    )


def possible() -> bool:
    """Whether mail goes anywhere at all."""
    return not settings.EMAIL_BACKEND.endswith("dummy.EmailBackend")


def send(name: str, *, to: str, subject: str, values: Mapping[str, Any]) -> None:
    """Send the message of that name to one address; `path` among the values becomes its link.

    Raises Unavailable when the server does not take it.
    """
    told = {"base_url": settings.BASE_URL, "subject": " ".join(subject.split()), **values}
    if "path" in told:
        told["link"] = f"{settings.BASE_URL}{told['path']}"
    message = EmailMultiAlternatives(
        subject=told["subject"],
        body=render_to_string(f"email/{name}.txt", told),
        to=[to],
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )
    message.attach_alternative(render_to_string(f"email/{name}.html", told), "text/html")
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        MAIL_SENT.labels(name, "failed").inc()
        log.warning("mail not sent", mail=name, error=type(error).__name__)
        raise Unavailable("the mail server does not take the message", mend="It is tried again.") from None
    MAIL_SENT.labels(name, "sent").inc()
    log.info("mail sent", mail=name, written_to=written_to())
