"""The door of identity providers' security events: RFC 8935 push delivery of security event tokens (RFC 8417)."""

import orjson
from django.http import HttpRequest, HttpResponse

from apps.core.client import client_of
from apps.core.context import Context, SessionFacts
from apps.core.errors import IgError
from apps.core.ids import new_id
from apps.core.scope import no_scope
from apps.core.telemetry import get_logger
from apps.gateway import pipeline
from apps.gateway.rest.answers import refusal
from apps.policy import services as policy
from apps.policy.errors import EventRefused

log = get_logger(__name__)
MEDIA_TYPE = "application/secevent+jwt"
LARGEST = 8 * 1024


def _refused(err: str, description: str) -> HttpResponse:
    body = orjson.dumps({"err": err, "description": description})
    return HttpResponse(body, status=400, content_type="application/json", headers={"Content-Language": "en"})


def security_events(request: HttpRequest) -> HttpResponse:
    """Take one token; 202 without a body when it was taken (also one that came before), else 400 with `err`.

    No cookie and no key counts here: the token is its own proof.
    """
    ip = client_of(str(request.META.get("REMOTE_ADDR", "")), request.headers.get("x-forwarded-for", ""))
    ctx = Context(request_id=str(new_id()), session=SessionFacts(ip=ip))
    try:
        pipeline.consume_quota(pipeline.Passage(pipeline.Arrival(), ctx))
    except IgError as error:
        return refusal(request, error)
    if request.content_type != MEDIA_TYPE:
        return _refused("invalid_request", f"the content type must be {MEDIA_TYPE}")
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return _refused("invalid_request", f"a token has at most {LARGEST} bytes")
    try:
        with no_scope():
            policy.receive_events(ctx, token=body.decode("ascii"))
    except UnicodeDecodeError:
        return _refused("invalid_request", "the body is no token")
    except EventRefused as error:
        log.info("security event refused", err=error.err, reason=error.description, ip=ip)
        return _refused(error.err, error.description)
    return HttpResponse(status=202)
