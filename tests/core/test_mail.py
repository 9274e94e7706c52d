"""Where mail goes, from one address in the settings."""

import smtplib
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outbox

from apps.core import mail
from apps.core.errors import Unavailable

FOLDER = Path("/srv/var/mail")


def backend(url: str, *, embedded: bool = True) -> str:
    return str(mail.transport(url, FOLDER, embedded=embedded)["EMAIL_BACKEND"]).split(".")[-2]


def test_without_a_server_one_machine_writes_files_and_production_sends_nothing() -> None:
    assert backend("") == "filebased" and backend("", embedded=False) == "dummy"
    assert mail.transport("", FOLDER, embedded=True)["EMAIL_FILE_PATH"] == str(FOLDER)
    assert backend("console:") == "console"
    assert mail.transport("file:/tmp/m%20x", FOLDER, embedded=False)["EMAIL_FILE_PATH"] == "/tmp/m x"


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password", "starttls", "tls"),
    [
        ("smtp://u:p%40ss@mx.example:2525", "mx.example", 2525, "u", "p@ss", True, False),
        ("smtp://mx.example", "mx.example", 587, "", "", True, False),
        ("smtp://127.0.0.1:1025?tls=off", "127.0.0.1", 1025, "", "", False, False),
        ("smtps://u:p@mx.example", "mx.example", 465, "u", "p", False, True),
    ],
)
def test_servers(url: str, host: str, port: int, user: str, password: str, starttls: bool, tls: bool) -> None:
    found = mail.transport(url, FOLDER, embedded=False)
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == (host, port)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == (user, password)
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (starttls, tls)
    assert found["EMAIL_TIMEOUT"] > 0


@pytest.mark.parametrize("url", ["http://mx.example", "smtp://", "mx.example:25", "file:"])
def test_what_is_no_mail_server_stops_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="EMAIL_URL"):
        mail.transport(url, FOLDER, embedded=True)


def values(**more: Any) -> dict[str, Any]:
    return {
        "inviter": "Eve <b>",
        "tenant": "A & B",
        "roles": ["reader"],
        "until": None,
        "path": "/invitations/x/",
    } | more


@pytest.mark.usefixtures("mailoutbox")
def test_a_message_has_two_faces_and_no_markup_of_others() -> None:
    mail.send("invitation", to="a@b.example", subject="Come\r\nBcc: everyone@example.com", values=values())
    message: Any = outbox.outbox[-1]
    assert message.subject == "Come Bcc: everyone@example.com" and message.recipients() == ["a@b.example"]
    assert "Eve <b> invites you to work in A & B" in message.body
    html = message.alternatives[0][0]
    assert "Eve &lt;b&gt;" in html and "A &amp; B" in html and "<b>" not in html
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"


def test_a_server_that_refuses_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> int:
        raise smtplib.SMTPServerDisconnected

    monkeypatch.setattr(outbox.EmailMultiAlternatives, "send", refuse)
    with pytest.raises(Unavailable):
        mail.send("invitation", to="a@b.example", subject="x", values=values())
