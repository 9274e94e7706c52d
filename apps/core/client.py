"""Where a request comes from, as far as that can be believed."""

from apps.core import conf


def client_of(peer: str, forwarded_for: str) -> str:
    """Return the client's address: the peer's, or what a trusted proxy says (the last hop of X-Forwarded-For)."""
    if peer in conf.get().items_of("IG_TRUSTED_PROXIES"):
        hops = [part.strip() for part in forwarded_for.split(",") if part.strip()]
        if hops:
            return hops[-1]
    return peer
