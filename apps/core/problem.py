"""Problem details (RFC 9457) of errors: the one mapper for every door that speaks plain HTTP. Pure: no Django.

`type` names the family of the refusal under `/developers/errors#`, which is stable; `code` is the same code as in
GraphQL. Members besides those of the RFC: `code`, `request_id`, and where known `field`, `mend`, `retry_after_s`,
`errors` (one object per problem of the input).
"""

import re
from math import ceil
from typing import Any

import orjson

from apps.core.errors import IgError, RateLimited, StepUpRequired, Unauthenticated, Unavailable

MEDIA_TYPE = "application/problem+json"
RETRY_S = 5
"""When to come back to what is away."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

# Which details of a refusal callers are told. The others (why credentials do not hold) are for the log only.
TOLD = frozenset(
    {"action", "rule", "signal", "limit", "bound", "expected", "current", "problems", "reason_code", "decision"}
)

STATUS_CODES: dict[int, tuple[str, str]] = {
    400: ("BAD_USER_INPUT", "Invalid input"),
    401: ("UNAUTHENTICATED", "Not signed in"),
    403: ("FORBIDDEN", "Forbidden"),
    404: ("NOT_FOUND", "Not found"),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed"),
    406: ("NOT_ACCEPTABLE", "Not acceptable"),
    408: ("TIMEOUT", "The request took too long to arrive"),
    409: ("CONFLICT", "Conflict"),
    411: ("LENGTH_REQUIRED", "Length required"),
    413: ("BAD_USER_INPUT", "Payload too large"),
    415: ("BAD_USER_INPUT", "Unsupported media type"),
    421: ("FORBIDDEN", "Wrong region"),
    422: ("BAD_USER_INPUT", "Unprocessable content"),
    429: ("RATE_LIMITED", "Rate limited"),
    500: ("INTERNAL", "Internal error"),
    503: ("INTERNAL", "Unavailable"),
}
"""For each status: the code and the title of a problem that has no family of its own."""


def type_of(code: str) -> str:
    """Return the URI reference that identifies a family, such as `/developers/errors#not-found`."""
    return f"/developers/errors#{code.lower().replace('_', '-')}"


def plain(status: int, detail: str, *, request_id: str = "", **members: Any) -> dict[str, Any]:
    """Return a problem for a status, with further members where they have a value."""
    code, title = STATUS_CODES.get(status, STATUS_CODES[500 if status >= 500 else 400])
    problem: dict[str, Any] = {"type": type_of(code), "title": title, "status": status, "detail": detail, "code": code}
    if request_id:
        problem["request_id"] = request_id
    problem.update({name: value for name, value in members.items() if value not in (None, "", [], {})})
    return problem


def of(error: IgError, *, request_id: str = "") -> dict[str, Any]:
    """Return the problem that an expected refusal is told as."""
    # A name may come from the caller, who can put anything into it.
    field = _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", error.field) if error.field else None
    problem = plain(error.status, error.message, request_id=request_id, field=field, mend=error.mend)
    problem.update(type=type_of(error.code), title=error.title, code=error.code)
    if isinstance(error, RateLimited):
        problem["retry_after_s"] = max(1, ceil(error.retry_after_s))
    problem.update({name: value for name, value in error.details.items() if name in TOLD and value is not None})
    return problem


def headers_of(error: IgError) -> dict[str, str]:
    """Return the HTTP headers that go with a refusal: the challenge (RFC 6750, RFC 9470), when to come back."""
    headers = dict(getattr(error, "headers", {}))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="intelgraph"'
    if isinstance(error, StepUpRequired):
        headers["WWW-Authenticate"] = 'Bearer realm="intelgraph", error="insufficient_user_authentication"'
        max_age = error.details.get("max_age")
        headers["WWW-Authenticate"] += f', max_age="{max_age}"' if max_age else ""
    if isinstance(error, RateLimited):
        headers.setdefault("Retry-After", str(max(1, ceil(error.retry_after_s))))
    if isinstance(error, Unavailable):
        headers.setdefault("Retry-After", str(RETRY_S))
    return headers


def encode(problem: dict[str, Any]) -> bytes:
    """Return the problem as JSON in UTF-8."""
    return orjson.dumps(problem, option=orjson.OPT_NON_STR_KEYS)
