"""The answer to a GraphQL request over HTTP: status and body, for either media type.

Source: GraphQL over HTTP, working draft, section "Response". Pure: no Django.

| what happened | `application/json` | `application/graphql-response+json` |
| --- | --- | --- |
| the request is malformed | 400 | 400 |
| the document does not parse, validate, or fit its variables | 200 | 400 |
| it ran (also with errors in fields) | 200 | 200 |
| the caller is refused before anything ran | 401, 403, 421, 429 | the same |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from apps.gateway.negotiation import MediaType


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing (or refusing) an operation gave, independent of transport.

    `data` is absent (not null) when execution never began: then `ran` is False. `status` is an HTTP status that
    the refusal asks for; None lets the media type decide.
    """

    data: Mapping[str, Any] | None = None
    errors: Sequence[Mapping[str, Any]] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    ran: bool = True
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        """Return the response map of the GraphQL specification, section 7.1."""
        body: dict[str, Any] = {}
        if self.errors:
            body["errors"] = list(self.errors)
        if self.ran:
            body["data"] = self.data
        if self.extensions:
            body["extensions"] = dict(self.extensions)
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, body, and headers besides Content-Length."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def encode(payload: Mapping[str, Any]) -> bytes:
    """Return JSON in UTF-8; dates as RFC 3339, ids as text."""
    return orjson.dumps(payload, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


def status_of(outcome: Outcome, media_type: MediaType) -> int:
    """Return the HTTP status for an outcome in a media type (the table above)."""
    if outcome.status is not None:
        return outcome.status
    if outcome.ran or media_type is MediaType.JSON:
        return 200
    return 400


def answer(outcome: Outcome, media_type: MediaType, headers: Mapping[str, str] | None = None) -> Answer:
    """Return the HTTP answer for an outcome. Answers are personal: no cache may keep them."""
    merged = {
        "content-type": media_type.header,
        "cache-control": "no-store",
        "vary": "Accept, Authorization, Cookie",
        "x-content-type-options": "nosniff",
        **(headers or {}),
        **outcome.headers,
    }
    return Answer(status_of(outcome, media_type), encode(outcome.payload()), tuple(merged.items()))


def refusal(
    message: str,
    *,
    status: int,
    code: str = "BAD_USER_INPUT",
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> Outcome:
    """Return an outcome for a request that is refused before anything ran; `extensions` with a value are kept."""
    given = {name: value for name, value in extensions.items() if value is not None}
    error = {"message": message, "extensions": {"code": code, **given}}
    return Outcome(errors=(error,), ran=False, status=status, headers=headers or {})
