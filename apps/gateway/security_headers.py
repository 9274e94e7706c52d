"""Headers that every answer carries so that browsers keep it in its place. Pure.

Source: OWASP Secure Headers Project; CSP Level 3; Permissions Policy; RFC 6797 is left to whoever ends TLS and to
Django (`SECURE_HSTS_SECONDS`). Pages set their own content security policy (with a nonce); what has none is data, and
gets the policy that lets nothing run.
"""

from collections.abc import Mapping

DATA_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

PERMISSIONS = (
    "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(self), geolocation=(),"
    " gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(),"
    " publickey-credentials-create=(self), publickey-credentials-get=(self), screen-wake-lock=(), usb=(),"
    " xr-spatial-tracking=()"
)

ALWAYS: Mapping[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": PERMISSIONS.encode(),
    b"x-permitted-cross-domain-policies": b"none",
}


def plain_caching(value: bytes) -> bytes:
    """Return a Cache-Control value without what says nothing: beside `no-store` all else is moot (RFC 9111 section
    5.2.2.5), and `public` only matters for answers to requests with credentials, of which we keep none in caches."""
    directives = [part.strip() for part in value.split(b",")]
    if b"no-store" in directives:
        return b"no-store"
    return b", ".join(part for part in directives if part != b"public") or value


def missing(present: set[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers to add to an answer whose header names (lower case) are `present`."""
    added = [(name, value) for name, value in ALWAYS.items() if name not in present]
    if b"content-security-policy" not in present:
        added.append((b"content-security-policy", DATA_POLICY.encode()))
    return added
