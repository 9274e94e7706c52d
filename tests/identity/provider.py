"""A tenant's identity provider as a real HTTP server on loopback: it publishes keys and signs tokens with them."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from apps.core.ids import new_id


class Provider:
    """Keys by id, what its address answers, and how often it was asked."""

    def __init__(self) -> None:
        self.issuer = f"https://idp-{new_id().hex}.example"
        self.keys: dict[str, Any] = {
            "rsa": RSAKey.generate_key(2048),
            "ec": ECKey.generate_key("P-256"),
            "okp": OKPKey.generate_key("Ed25519"),
        }
        self.asked = 0
        self.status = 200
        self.body: bytes | None = None
        self.delay_s = 0.0
        self.url = ""

    def published(self) -> bytes:
        """Return the key set."""
        if self.body is not None:
            return self.body
        keys = [{**key.as_dict(private=False), "kid": kid, "use": "sig"} for kid, key in self.keys.items()]
        return json.dumps({"keys": keys}).encode()

    def claims(self, audience: str, **more: Any) -> dict[str, Any]:
        """Return claims that hold; None removes one."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": audience, "sub": "worker-1", "exp": now + 300, "iat": now, "roles": ["readers"],
            "jti": new_id().hex, **more,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def sign(
        self, claims: dict[str, Any], *, kid: str | None = "rsa", alg: str = "RS256", key: Any = None, **header: Any
    ) -> str:
        """Return a signed token."""
        head = {"alg": alg, **({"kid": kid} if kid is not None else {}), **header}
        return str(jwt.encode(head, claims, key or self.keys[str(kid)], algorithms=[alg]))

    def signed_with_the_public_key(self, claims: dict[str, Any]) -> str:
        """Return a token whose HMAC key is the PEM of the public RSA key: the classic confusion."""
        parts = [
            base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=")
            for one in ({"alg": "HS256", "kid": "rsa"}, claims)
        ]
        said = b".".join(parts)
        mac = hmac.new(self.keys["rsa"].as_pem(private=False), said, hashlib.sha256).digest()
        return (said + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@contextmanager
def running() -> Iterator[Provider]:
    """Run a provider."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked += 1
            body = provider.published()
            self.send_response(provider.status)
            self.send_header("Content-Type", "application/json")
            if provider.status in {301, 302}:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            try:
                for at in range(0, len(body), 65536 if not provider.delay_s else 1):
                    self.wfile.write(body[at : at + (65536 if not provider.delay_s else 1)])
                    time.sleep(provider.delay_s)
            except OSError:
                return

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # Ports come again, and key sets are kept by address.
    provider.url = f"http://127.0.0.1:{server.server_port}/{new_id().hex}/keys"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
