"""Secrets are recognised by form and by name, also deep inside, and other text stays."""

import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import telemetry
from apps.core.masking import anonymous, masked, masked_event
from apps.identity import keys

TOKEN = keys.generate()[0]
SECRETS = [
    (TOKEN, TOKEN.rsplit("_", 1)[1]),
    (f"Authorization: Bearer {TOKEN}", TOKEN[-20:]),
    ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
    ("postgresql://ig_app:hunter22@db/x?a=b", "hunter22"),
    ("redis://:hunter22@cache:6379/0", "hunter22"),
    ("password=hunter22&x=1", "hunter22"),
    ('{"password": "hunter22"}', "hunter22"),
    ("cookie ig_session=abcdef123456; other=1", "abcdef123456"),
    ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----", "MHcCAQEE"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[str(number) for number in range(len(SECRETS))])
def test_secrets_are_masked_and_the_rest_stays(text: str, secret: str) -> None:
    assert secret in text and secret not in masked(text) and "***" in masked(text)
    nested = masked_event({"event": "x", "deep": [{"list": [text]}, (text,)]})
    assert secret not in repr(nested)


def test_names_of_fields_tell_secrets() -> None:
    told = masked_event(
        {"Password": "short", "token": 5, "cookie": "", "tokens": "kept", "headers": {"Authorization": "x"}}
    )
    assert told == {
        "Password": "***",
        "token": "***",
        "cookie": "",
        "tokens": "kept",
        "headers": {"Authorization": "***"},
    }


@given(st.text(alphabet="abcdefghij klmnop.,0123456789\n", max_size=200))
def test_plain_words_stay(text: str) -> None:
    assert masked(text) == text or re.search(r"password|secret|token|bearer|basic", text, re.I)


def test_addresses_go_where_nobody_may_be_named() -> None:
    assert anonymous("/u/ada.l+x@mail.example/edit") == "/u/***/edit"


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("source", ["ours", "library", "exception"])
def test_no_log_line_holds_a_secret(capfd: pytest.CaptureFixture[str], style: str, source: str) -> None:
    saved = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        telemetry.configure_logging("INFO", style)
        if source == "ours":
            telemetry.get_logger("t").bind().info("said " + TOKEN, password="hunter22", url="redis://:hunter22@c/0")
        elif source == "library":
            logging.getLogger("uvicorn.error").warning("connected to %s as %s", "redis://:hunter22@c/0", TOKEN)
        else:
            try:
                raise ValueError(f"cannot reach redis://:hunter22@c/0 with {TOKEN}")
            except ValueError:
                logging.getLogger("any.library").exception("it broke")
    finally:
        logging.getLogger().handlers[:] = saved[0]
        logging.getLogger().setLevel(saved[1])
        telemetry.configure_logging("WARNING", "json")
    written = capfd.readouterr().err
    assert "***" in written and "hunter22" not in written and TOKEN.rsplit("_", 1)[1] not in written
