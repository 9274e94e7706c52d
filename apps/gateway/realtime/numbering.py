"""Sequence numbers of one subscription, for whoever asks for them: `extensions: {"sequence": 0}` in `subscribe`.

Every update has the number after the one before, whether it is told or not. So each message's number is that of the
message before it plus one, plus what the same message says was left out (`discontinuity.missed`) or superseded
(`coalesced.superseded`); anything else is an error of ours. Who resumes names the last number that came together with
`since`, and the numbers go on. Pure: no Django.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from apps.gateway.realtime.batches import Batch
from apps.gateway.realtime.gaps import with_extensions

MAX_NUMBER = 2**53 - 1
"""What a JSON number holds exactly in every language."""

_EXTENDED = '"extensions":'


class Numbering:
    """The numbers of one subscription. `last` is the last one that was given."""

    __slots__ = ("last",)

    def __init__(self, last: int) -> None:
        self.last = last

    def batch(self, batch: Batch) -> Batch:
        """Return the same updates with their numbers."""
        return Batch([(change, self.result(payload)) for change, payload in batch])

    def result(self, payload: str) -> str:
        """Return a result, which is JSON, with the next number."""
        if _EXTENDED not in payload:  # as most have none
            self.last += 1
            return f'{payload[:-1]},"extensions":{{"sequence":{self.last}}}}}'
        said = orjson.loads(payload).get("extensions", {})
        missed = int(said.get("discontinuity", {}).get("missed", 0))
        self.last += 1 + missed + int(said.get("coalesced", {}).get("superseded", 0))
        return with_extensions(payload, {"sequence": self.last})


def asked_for(payload: Mapping[str, Any]) -> Numbering | None:
    """Return the numbering that a `subscribe` message asks for, None when it asks for none. Raises ValueError."""
    extensions = payload.get("extensions")
    last = extensions.get("sequence") if isinstance(extensions, dict) else None
    if last is None:
        return None
    if isinstance(last, bool) or not isinstance(last, int) or not 0 <= last < MAX_NUMBER - 2**40:
        raise ValueError("extensions.sequence must be the last sequence number that you received, or 0")
    return Numbering(last)
