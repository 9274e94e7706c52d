"""How REST answers: JSON by orjson, problems for every refusal, one mapper from errors to problems."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestAborted, RequestDataTooBig, SuspiciousOperation
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError, ValidationError

from apps.core import problem
from apps.core.errors import IgError
from apps.core.telemetry import get_logger
from apps.gateway.away import TROUBLE, refusal_of
from apps.gateway.middleware import request_id_of
from apps.gateway.rest import uploads
from apps.gateway.security_headers import DATA_POLICY

log = get_logger(__name__)

ALWAYS = {
    "Cache-Control": "no-store",
    "Vary": "Accept, Authorization, Cookie",
    "Access-Control-Allow-Origin": settings.BASE_URL,
    "Content-Security-Policy": DATA_POLICY,
}
"""What every answer of REST says: nobody keeps it, no other origin reads it, nothing in it runs."""


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a JSON document; times become RFC 3339 in UTC."""
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
    return HttpResponse(body, status=status, content_type="application/json", headers={**ALWAYS, **(headers or {})})


def problem_answer(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a problem (RFC 9457)."""
    return HttpResponse(
        problem.encode(dict(document)),
        status=int(document["status"]),
        content_type=problem.MEDIA_TYPE,
        headers={**ALWAYS, **(headers or {})},
    )


def plain_problem(
    request: HttpRequest, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> HttpResponse:
    """Return a problem that has no error of its own."""
    return problem_answer(problem.plain(status, detail, request_id=request_id_of(request), **members), headers)


def refusal(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the answer to any exception that a door, a service or a parser raised.

    When most of an upload is still to come, the answer closes the connection.
    """
    answer = _told(request, error)
    if not uploads.leave(request):
        answer["Connection"] = "close"
    return answer


def _told(request: HttpRequest, error: Any) -> HttpResponse:
    """Return the problem for an error.

    Expected refusals keep their words; what nobody expected is logged and told by its request id only.
    """
    request_id = request_id_of(request)
    if isinstance(error, TROUBLE):
        error = refusal_of(error)
    if isinstance(error, IgError) and error.status < 500:
        document = problem.of(error, request_id=request_id)
        problems = document.pop("problems", None)
        if problems:
            document["errors"] = [
                {"field": p["path"], "message": p["message"], "mend": p["mend"]} for p in problems[:100]
            ]
        return problem_answer(document, problem.headers_of(error))
    if isinstance(error, IgError) and error.status == 503:
        return problem_answer(problem.of(error, request_id=request_id), problem.headers_of(error))
    if isinstance(error, ValidationError):
        return _invalid(request, error)
    if isinstance(error, HttpError):
        return plain_problem(request, error.status_code, str(error))
    if isinstance(error, Http404):
        return plain_problem(request, 404, "there is nothing at this address")
    if isinstance(error, RequestDataTooBig):
        return plain_problem(request, 413, "the body is too large")
    if isinstance(error, RequestAborted):
        return plain_problem(request, 400, "the body ended early", mend="Send it again.")
    if isinstance(error, TimeoutError):
        return plain_problem(
            request, 408, "nothing arrived for too long", {"Connection": "close"}, mend="Send it again."
        )
    if isinstance(error, SuspiciousOperation | DataError):
        log.info("unreadable input", error=type(error).__name__)
        return plain_problem(request, 400, "the request holds characters or values that cannot be kept")
    log.error("rest door broke", path=request.path, exc_info=error, **_who(request))
    return plain_problem(request, 500, "an internal error happened; tell us the request id")


def _who(request: HttpRequest) -> dict[str, str]:
    passage = getattr(request, "ig_passage", None)
    return {"tenant": str(passage.ctx.tenant_id), "actor": passage.ctx.actor.ref} if passage else {}


def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    problems = []
    for found in error.errors[:100]:
        place = [str(part) for part in found["loc"]]
        problems.append({"field": ".".join(place[1:]) or place[0], "message": f"{found['msg']} ({place[0]})"})
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return plain_problem(
        request, 400, f"{first['field']}: {first['message']}{more}", field=first["field"], errors=problems
    )
