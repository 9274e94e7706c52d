"""Which pages may open a websocket or send a cookie-authenticated request here. Pure: no Django.

A browser sends Origin with every websocket handshake and every cross-origin request, and the page cannot change it
(RFC 6455 section 10.2, RFC 6454). Programs that are no browsers send none and are let through: they carry no cookie
that a foreign page could borrow.
"""

from collections.abc import Collection
from urllib.parse import urlsplit


def host_of(origin: str) -> str | None:
    """Return `host[:port]` of an origin in lower case without the scheme's default port, or None when it is no origin."""
    try:
        parts = urlsplit(origin.strip().lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host if port in {None, {"http": 80, "https": 443}[parts.scheme]} else f"{host}:{port}"


def normal_host(host: str) -> str:
    """Return a Host header in lower case without a default port."""
    lowered = host.strip().lower()
    for suffix in (":80", ":443"):
        if lowered.endswith(suffix) and not lowered.endswith(f":{suffix}"):
            return lowered.removesuffix(suffix)
    return lowered


def may_open(origin: str | None, host: str, allowed: Collection[str] = ()) -> bool:
    """Return whether a page of `origin` may speak to us as `host`.

    `allowed` are further origins, such as `https://app.example`. None (no Origin header) is no page, and may.
    """
    if origin is None:
        return True
    theirs = host_of(origin)
    if theirs is None:
        return False  # "null" (sandboxed frames, files) and anything unreadable
    return theirs == normal_host(host) or any(theirs == host_of(other) for other in allowed)
