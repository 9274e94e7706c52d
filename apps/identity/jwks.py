"""Key sets of tenants' identity providers (RFC 7517): fetched within bounds, kept, and looked for anew when a key is
unknown, at most once a minute.

A tenant's admin chooses the address, so fetching it must reach nothing that only we can reach: https only, the name is
resolved once and every address it has must be public, and the connection goes to the address that was looked at.
"""

import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from apps.core import conf
from apps.core.telemetry import get_logger

log = get_logger(__name__)

WITHIN_S = 5.0
LARGEST = 256 * 1024
MOST_KEYS = 100
KEPT_S = 600.0
"""A key that left the set stops counting after at most this."""
STALE_S = 3600.0
"""When the set cannot be fetched, keys that were known count this long."""
AGAIN_S = 60.0
LEAST_RSA_BITS = 2048

Key = RSAKey | ECKey | OKPKey


class KeysAway(Exception):
    """The key set cannot be had; the message says why, for the log."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A public key and the algorithms (JWS `alg`) that it may verify: its kind decides, never the token."""

    key: Key
    algorithms: tuple[str, ...]


@dataclass
class _Kept:
    keys: dict[str, KnownKey] = field(default_factory=dict)
    fetched_at: float = -1e9
    tried_at: float = -1e9
    lock: threading.Lock = field(default_factory=threading.Lock)


_sets: dict[str, _Kept] = {}
_sets_lock = threading.Lock()


def key_for(url: str, kid: str) -> KnownKey | None:
    """Return the key of that id in the set at `url`, or None. Raises KeysAway when there is no set to look in."""
    with _sets_lock:
        kept = _sets.setdefault(url, _Kept())
    now = time.monotonic()
    known = kept.keys.get(kid)
    if known is not None and now - kept.fetched_at < KEPT_S:
        return known
    with kept.lock:
        now = time.monotonic()
        # Old keys are fetched anew; a key that is not there may be new. Either way no more than once a minute.
        if now - kept.tried_at >= AGAIN_S:
            kept.tried_at = now
            try:
                kept.keys, kept.fetched_at = parse(fetch(url)), now
            except (KeysAway, OSError, HTTPException, ValueError) as error:
                log.warning(
                    "a key set cannot be fetched", url=url[:200], error=f"{type(error).__name__}: {error}"[:200]
                )
        if now - kept.fetched_at >= STALE_S:
            raise KeysAway("no key set")
        return kept.keys.get(kid)


def forget(url: str) -> None:
    """Forget the set at `url`: the next token fetches it."""
    with _sets_lock:
        _sets.pop(url, None)


def parse(body: bytes) -> dict[str, KnownKey]:
    """Return the keys of a set that may verify signatures, by id; others are left out. Raises ValueError."""
    value = orjson.loads(body)
    found = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(found, list) or len(found) > MOST_KEYS:
        raise ValueError("not a key set")
    keys: dict[str, KnownKey] = {}
    for one in found:
        kid = one.get("kid") if isinstance(one, dict) else None
        if not isinstance(kid, str) or not kid or one.get("use", "sig") != "sig":
            continue
        known = _known(one)
        if known is not None and one.get("alg", known.algorithms[0]) in known.algorithms:
            keys[kid] = known
    return keys


def _known(one: dict[str, Any]) -> KnownKey | None:
    """Return a public key of a kind that we verify with. Shared secrets (`oct`) never are."""
    public = {name: one[name] for name in ("kty", "n", "e", "crv", "x", "y") if isinstance(one.get(name), str)}
    try:
        key = JWKRegistry.import_key(public) if public.get("kty") in {"RSA", "EC", "OKP"} else None
        if isinstance(key, RSAKey) and key.public_key.key_size >= LEAST_RSA_BITS:
            return KnownKey(key, ("RS256",))
        if isinstance(key, ECKey) and key.curve_name == "P-256":
            return KnownKey(key, ("ES256",))
        if isinstance(key, OKPKey) and key.curve_name == "Ed25519":
            return KnownKey(key, ("EdDSA", "Ed25519"))
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def check_url(url: str) -> None:
    """Raises ValueError when keys may not be fetched from an address of this form; what it leads to is looked at when
    they are fetched."""
    parts = urlsplit(url)
    embedded = conf.get().embedded
    if parts.scheme != "https" and not (embedded and parts.scheme == "http"):
        raise ValueError("the address must start with https://")
    if not parts.hostname or parts.username or parts.password or parts.fragment or len(url) > 500:
        raise ValueError("the address must name a host, without user and password")
    if parts.port == 0:
        raise ValueError("the address must name a port that exists")


def allowed(address: str) -> bool:
    """Return whether a connection to this network address may be made for a tenant: public ones, those of
    IG_ISSUER_NETWORKS, and in embedded mode this machine's own."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    if any(ip in ipaddress.ip_network(one, strict=False) for one in conf.get().items_of("IG_ISSUER_NETWORKS")):
        return True
    if conf.get().embedded and ip.is_loopback:
        return True
    return ip.is_global and not ip.is_multicast


def fetch(url: str) -> bytes:
    """Return what stands at `url`. Raises KeysAway, OSError, HTTPException. Redirects are not followed."""
    check_url(url)
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    if not addresses or not all(allowed(one) for one in addresses):
        raise KeysAway("the name leads to an address that is not public")
    connection = HTTPConnection(parts.hostname or "", port, timeout=WITHIN_S)
    plain = socket.create_connection((addresses[0], port), timeout=WITHIN_S)
    # A server that sends a byte at a time is cut at the end of the time, wherever it stands.
    watch = threading.Timer(WITHIN_S, _cut, [plain])
    watch.start()
    try:
        connection.sock = plain
        if parts.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json", "User-Agent": "IntelGraph"})
        return _body(connection.getresponse())
    finally:
        watch.cancel()
        connection.close()
        plain.close()


def _body(response: HTTPResponse) -> bytes:
    if response.status != 200:
        raise KeysAway(f"answered {response.status}")
    body = response.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise KeysAway(f"larger than {LARGEST} bytes")
    return body


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()
