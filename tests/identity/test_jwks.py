"""Fetching key sets: nothing that only we can reach, nothing endless, nothing but public keys for signatures."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from apps.core import conf
from apps.identity import jwks
from tests.identity.provider import Provider, running


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as one:
        yield one


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of an installation that serves others."""
    settings = conf.Settings({**conf.get().values, "IG_MODE": "production"})
    monkeypatch.setattr(conf, "get", lambda: settings)


PRIVATE = (
    "127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::",
    "fe80::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "ff02::1", "255.255.255.255",
)  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
@pytest.mark.usefixtures("production")
def test_addresses_that_only_we_reach_are_not_asked(address: str) -> None:
    assert not jwks.allowed(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
@pytest.mark.usefixtures("production")
def test_public_addresses_are(address: str) -> None:
    assert jwks.allowed(address)


def test_a_private_network_may_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**conf.get().values, "IG_MODE": "production", "IG_ISSUER_NETWORKS": "10.1.0.0/16"}
    monkeypatch.setattr(conf, "get", lambda: conf.Settings(values))
    assert jwks.allowed("10.1.2.3") and not jwks.allowed("10.2.0.1") and not jwks.allowed("127.0.0.1")


@pytest.mark.usefixtures("production")
def test_plain_http_is_for_one_machine_only(provider: Provider) -> None:
    with pytest.raises(ValueError, match="https"):
        jwks.fetch(provider.url)
    assert provider.asked == 0


@pytest.mark.usefixtures("production")
def test_a_name_that_leads_inside_is_not_asked(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(provider.url.rsplit(":", 1)[1].split("/")[0])
    for found in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"]):  # one bad address among good ones is enough
        answer = [(2, 1, 6, "", (one, port)) for one in found]
        monkeypatch.setattr(jwks.socket, "getaddrinfo", lambda *a, answer=answer, **k: answer)
        with pytest.raises(jwks.KeysAway, match="not public"):
            jwks.fetch(f"https://keys.example:{port}/")
    assert provider.asked == 0


@pytest.mark.parametrize("status", [301, 302, 404, 500])
def test_only_a_plain_answer_counts(provider: Provider, status: int) -> None:
    provider.status = status
    with pytest.raises(jwks.KeysAway, match=str(status)):
        jwks.fetch(provider.url)
    assert provider.asked == 1


def test_a_set_without_end_is_cut(provider: Provider) -> None:
    provider.body = b"[" + b"1," * jwks.LARGEST
    with pytest.raises(jwks.KeysAway, match="larger"):
        jwks.fetch(provider.url)


def test_a_server_that_takes_its_time_is_cut(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "WITHIN_S", 0.4)
    provider.delay_s = 0.05
    body = b""
    with contextlib.suppress(OSError, jwks.HTTPException, jwks.KeysAway):
        body = jwks.fetch(provider.url)
    assert len(body) < len(provider.published()), "what came is not a whole set"


def jwk(key: Any, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": "k", **more}


@pytest.mark.parametrize(
    "one",
    [
        {**OctKey.generate_key(256).as_dict(private=True), "kid": "k"},
        jwk(RSAKey.generate_key(1024)),
        jwk(ECKey.generate_key("P-384")),
        jwk(OKPKey.generate_key("X25519")),
        jwk(RSAKey.generate_key(2048), use="enc"),
        jwk(RSAKey.generate_key(2048), alg="PS256"),
        {"kty": "RSA", "n": "AQ", "kid": "k"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k"},
        {"kty": "none", "kid": "k"},
        {**RSAKey.generate_key(2048).as_dict(private=False), "kid": 7},
        "text",
    ],
)
def test_keys_that_do_not_verify_signatures_are_left_out(one: Any) -> None:
    assert jwks.parse(json.dumps({"keys": [one]}).encode()) == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 1}', json.dumps({"keys": [1] * 101}).encode()])
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        jwks.parse(body)


def test_a_private_key_that_was_published_is_used_by_its_public_half() -> None:
    key = RSAKey.generate_key(2048)
    (known,) = jwks.parse(json.dumps({"keys": [{**key.as_dict(private=True), "kid": "k"}]}).encode()).values()
    assert not known.key.is_private
