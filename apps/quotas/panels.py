"""The card of limits on a tenant's home."""

from collections.abc import Sequence

from apps.core.context import Context
from apps.core.panels import Panel, PanelLine
from apps.core.sockets import PANELS
from apps.quotas import selectors
from apps.quotas.types import Measure

WORDS = {Measure.API: "API calls", Measure.INGEST: "Rows brought in", Measure.DELIVERIES: "Live updates"}
NEAR = 0.85


def _read(ctx: Context) -> Sequence[PanelLine]:
    lines = []
    for one in selectors.standing(ctx):
        share = one.used / one.limit.burst
        tone = "danger" if share >= 1 else "warn" if share >= NEAR else "neutral"
        used = f"{share:.0%} of {one.limit.burst:,} used now" if one.left is not None else "not known now"
        lines.append(PanelLine(WORDS[one.measure], used, tone))
    return lines


PANELS.plug("quotas.limits", Panel("Limits", "quotas.usage.read", _read, page="limits", order=30))
