"""Which pages may open a socket."""

import pytest

from apps.gateway.origin import may_open


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "app.example", True),
        ("https://app.example", "app.example", True),
        ("https://app.example:443", "app.example", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", False),
        ("https://evil.example", "app.example", False),
        ("https://app.example.evil.example", "app.example", False),
        ("null", "app.example", False),
        ("", "app.example", False),
        ("file://", "app.example", False),
        ("https://partner.example", "app.example", True),
        ("https://user@app.example/path", "app.example", False),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://app.example:99999", "app.example", False),
        ("HTTPS://APP.EXAMPLE", "App.Example", True),
    ],
)
def test_origins(origin: str | None, host: str, allowed: bool) -> None:
    assert may_open(origin, host, ["https://partner.example"]) is allowed
