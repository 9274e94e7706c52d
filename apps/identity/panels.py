"""The card of API keys that end soon, on a tenant's home."""

from collections.abc import Sequence
from datetime import timedelta

from apps.core.context import Context
from apps.core.panels import Panel, PanelLine
from apps.core.sockets import PANELS
from apps.identity import selectors

SOON = timedelta(days=14)


def _read(ctx: Context) -> Sequence[PanelLine]:
    ending = [
        key
        for key in selectors.api_keys(ctx)
        if key.revoked_at is None and key.expires_at is not None and ctx.now < key.expires_at <= ctx.now + SOON
    ]
    ending.sort(key=lambda key: key.expires_at or ctx.now)
    return [PanelLine(key.name, "ends", "warn", key.expires_at) for key in ending]


PANELS.plug("identity.keys", Panel("API keys that end soon", "identity.key.read", _read, page="keys", order=20))
