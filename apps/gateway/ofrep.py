"""OpenFeature Remote Evaluation Protocol: any OpenFeature client asks this installation for flags.

    POST /ofrep/v1/evaluate/flags/{key}    one flag
    POST /ofrep/v1/evaluate/flags          all flags that clients may see; with If-None-Match 304 while nothing changed

Source: OFREP's OpenAPI 0.2 and 0.3 (open-feature/protocol, service/openapi.yaml), which agree on both. Callers pass the
same five stages as everywhere. The tenant and its region are those of the credentials; what the context says is the
client's word: it is bounded, and reaches rules on attributes and the targeting key, never those on tenants and regions.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import URLPattern, path

from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden, Unauthenticated, UnsupportedMedia
from apps.core.values import altered
from apps.flags import selectors
from apps.flags.types import ErrorCode, Evaluation, Subject
from apps.gateway import negotiation, pipeline
from apps.gateway.middleware import passage_of
from apps.gateway.rest.answers import ALWAYS, refusal
from apps.gateway.rest.door import answered, refuse_foreign_page

ACTION = "flags.flag.evaluate"
PREFIX = "ofrep/v1/evaluate/flags"
MAX_BYTES = 64 * 1024
MAX_ATTRIBUTES = 100
MAX_NAME = 100
MAX_TEXT = 2_000
MAX_NODES = 1_000
MAX_DEPTH = 6
MAX_KEY = 500
TARGETING_KEY = "targetingKey"

View = Callable[..., HttpResponse]


class ContextRefused(Exception):
    """A body that is no evaluation request, or a context that is too much."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def context_in(body: bytes) -> Mapping[str, Any]:
    """Return the evaluation context of a request's body. Raises ContextRefused."""
    if len(body) > MAX_BYTES:
        raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"the request is larger than {MAX_BYTES} bytes")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ContextRefused(ErrorCode.PARSE_ERROR, f"the body is not JSON: {error}"[:200]) from None
    if not isinstance(document, dict):
        raise ContextRefused(ErrorCode.PARSE_ERROR, "the body is an object with the field context")
    context = document.get("context")
    if not isinstance(context, dict):
        raise ContextRefused(ErrorCode.INVALID_CONTEXT, "context is missing, or no object")
    _bound(context)
    return context


def _bound(context: Mapping[str, Any]) -> None:
    """Check that a context is small: hostile ones cost nothing but being read. Raises ContextRefused."""
    if len(context) > MAX_ATTRIBUTES:
        raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"the context has more than {MAX_ATTRIBUTES} attributes")
    key = context.get(TARGETING_KEY, "")
    if not isinstance(key, str) or len(key) > MAX_KEY:
        raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"{TARGETING_KEY} is a text of at most {MAX_KEY} characters")
    nodes = 0
    level: list[Any] = [context]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                if any(len(name) > MAX_NAME for name in one):
                    raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"a name is longer than {MAX_NAME} characters")
                deeper.extend(one.values())
            elif isinstance(one, list):
                deeper.extend(one)
            elif isinstance(one, str) and len(one) > MAX_TEXT:
                raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"a text is longer than {MAX_TEXT} characters")
            elif isinstance(one, float) and not math.isfinite(one):
                raise ContextRefused(ErrorCode.INVALID_CONTEXT, "a number is out of range")
        nodes += len(deeper)
        if nodes > MAX_NODES:
            raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"the context holds more than {MAX_NODES} values")
        if not deeper:
            return
        level = deeper
    raise ContextRefused(ErrorCode.INVALID_CONTEXT, f"the context is nested more than {MAX_DEPTH - 1} deep")


def _subject(ctx: Context, context: Mapping[str, Any]) -> Subject:
    return selectors.subject_of(ctx, context.get(TARGETING_KEY, ""), context)


def _entry(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation in the protocol's words."""
    if found.error is not None:
        return {"key": found.key, "errorCode": found.error.value, "errorDetails": found.message}
    return {"key": found.key, "value": found.value, "reason": found.reason.value, "variant": found.variant}


def _json(document: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(orjson.dumps(document), status=status, content_type="application/json", headers=ALWAYS)


def _admitted(request: HttpRequest) -> Context:
    """Take a request through the five stages. Raises what they raise, UnsupportedMedia for what is not JSON."""
    refuse_foreign_page(request)
    passage = passage_of(request)
    if passage.ctx.actor.kind is ActorKind.ANONYMOUS:
        raise Unauthenticated("sign in or send a key first", mend="send Authorization: Bearer with an API key")
    if passage.ctx.tenant_id is None:
        raise Forbidden("it is not said which tenant is meant", mend="name it in the header x-ig-tenant")
    request.ig_passage = passage = pipeline.decide(altered(passage, action=ACTION))  # type: ignore[attr-defined]
    wrong = negotiation.check_content(request.headers.get("Content-Type"), request.headers.get("Content-Encoding"))
    if wrong is not None:
        raise UnsupportedMedia(wrong.message)
    return passage.ctx


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return any other refusal: problem details, whose `errorDetails` is what the protocol's clients read."""
    answer = refusal(request, error)
    document = orjson.loads(answer.content)
    answer.content = orjson.dumps({**document, "errorDetails": document["detail"]})
    return answer


def _door(view: View) -> View:
    @wraps(view)
    def opened(request: HttpRequest, key: str = "") -> HttpResponse:
        try:
            ctx = _admitted(request)
            context = context_in(request.body)
            return view(request, ctx, context, key) if key else view(request, ctx, context)
        except ContextRefused as refused:
            named = {"key": key} if key else {}
            return _json({**named, "errorCode": refused.code.value, "errorDetails": refused.message}, 400)
        except Exception as error:  # noqa: BLE001  one mapper for all of them, as for REST
            return _refused(request, error)

    return answered(opened, frozenset({"POST"}))


def _one(request: HttpRequest, ctx: Context, context: Mapping[str, Any], key: str) -> HttpResponse:
    """`POST /ofrep/v1/evaluate/flags/{key}`."""
    found = selectors.evaluate_remote(_subject(ctx, context), key[:MAX_NAME])
    if found.error is ErrorCode.FLAG_NOT_FOUND:
        return _json(_entry(found), 404)
    return _json(_entry(found), 200 if found.error is None else 400)


def _all(request: HttpRequest, ctx: Context, context: Mapping[str, Any]) -> HttpResponse:
    """`POST /ofrep/v1/evaluate/flags`: the tag is of the answer, which is all that the client depends on."""
    found = selectors.evaluate_all(_subject(ctx, context))
    body = orjson.dumps({"flags": [_entry(evaluation) for _, evaluation in found]})
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {**ALWAYS, "ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
    known = request.headers.get("If-None-Match", "").split(",")
    if any(one.strip().removeprefix("W/").strip('"') in {tag, "*"} for one in known):
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(body, content_type="application/json", headers=headers)


def urls() -> list[URLPattern]:
    """Return the addresses of OFREP, for the project's `urls.py`."""
    return [path(PREFIX, _door(_all), name="ofrep-bulk"), path(f"{PREFIX}/<str:key>", _door(_one), name="ofrep-flag")]
