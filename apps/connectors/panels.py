"""The card of imports on a tenant's home."""

from collections.abc import Sequence

from apps.connectors import selectors
from apps.connectors.types import JobState
from apps.core.context import Context
from apps.core.panels import Panel, PanelLine
from apps.core.sockets import PANELS

NEWEST = 3
TONES = {JobState.SUCCEEDED: "ok", JobState.PARTIAL: "warn", JobState.FAILED: "danger"}


def _read(ctx: Context) -> Sequence[PanelLine]:
    return [
        PanelLine(
            one.source,
            f"{one.state.words}, {one.progress:.0%}" if one.state is JobState.RUNNING else one.state.words,
            TONES.get(one.state, "neutral"),
            one.finished_at or one.requested_at,
            "import",
            (str(one.id),),
        )
        for one in selectors.jobs(ctx, first=NEWEST).jobs
    ]


PANELS.plug("connectors.imports", Panel("Newest imports", "connectors.job.read", _read, page="imports", order=10))
