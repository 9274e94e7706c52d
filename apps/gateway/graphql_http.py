"""GraphQL over HTTP as an ASGI application: read the request, pass the pipeline, run, answer.

It stands beside Django's own handler, not inside it: the handler's middleware costs several times what a small query
does. What that middleware gives is done here in the few lines that GraphQL needs (see `asgi.py` for headers and spans).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from apps.core import problem
from apps.core.context import ActorKind
from apps.core.errors import Forbidden, IgError, Unauthenticated
from apps.gateway import arrivals, pipeline, threads
from apps.gateway.answers import Answer, Outcome, answer, refusal
from apps.gateway.away import TROUBLE, refusal_of
from apps.gateway.call import Call
from apps.gateway.documents import is_mutation, is_subscription
from apps.gateway.edge import note_caller
from apps.gateway.engine import Engine, Planned, Prepared
from apps.gateway.graphql_errors import format_refusal
from apps.gateway.negotiation import MediaType, check_content, choose
from apps.gateway.parameters import BadRequest, Parameters, from_body, from_query_string

MAX_BODY_BYTES = 8 * 1024 * 1024
SMALL_BYTES = 64 * 1024
METHODS = "GET, POST"

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Gone(Exception):
    """The client went away before its body was read."""


def outcome_of(error: IgError) -> Outcome:
    """Return the outcome for a request that a stage refused: its family's HTTP status, and the headers it asks for."""
    return Outcome(errors=(format_refusal(error),), ran=False, status=error.status, headers=problem.headers_of(error))


async def read_body(receive: Receive, declared: str | None) -> bytes | None:
    """Return the body, or None when it is larger than MAX_BODY_BYTES (reading stops there).

    Raises _Gone when the client disconnects.
    """
    if declared and declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


class GraphQLHttp:
    """The application under `/graphql`."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self.engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answered = await self.respond(scope, receive)
        except _Gone:
            return
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in answered.headers]
        headers.append((b"content-length", str(len(answered.body)).encode()))
        await send({"type": "http.response.start", "status": answered.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answered.body})

    async def respond(self, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to one request."""
        headers = arrivals.headers_of(scope)
        media_type = choose(headers.get("accept"))
        if media_type is None:
            return answer(
                refusal(
                    f"none of the media types in Accept is spoken here; ask for {MediaType.JSON} or {MediaType.GRAPHQL}",
                    status=406,
                ),
                MediaType.JSON,
            )
        if scope["method"] not in {"GET", "POST"}:
            return answer(
                refusal(
                    f"{scope['method']} is not taken here; use GET or POST", status=405, headers={"Allow": METHODS}
                ),
                media_type,
            )
        if scope["method"] == "POST":
            refused = check_content(headers.get("content-type"), headers.get("content-encoding"))
            if refused:
                more = {"Accept-Post": MediaType.JSON.value} if refused.status == 415 else {}
                return answer(refusal(refused.message, status=refused.status, headers=more), media_type)
        arrival = arrivals.of_http(scope, headers)
        early: Parameters | BadRequest | None = None
        outcome: Outcome | None = None
        try:
            _refuse_foreign_page(scope, headers, arrival)
            if _is_small(scope, headers):
                early = await self.read(scope, receive, headers)
            planned = self.engine().planned(early) if isinstance(early, Parameters) else None
            passage, outcome = await threads.run_outside(self.admit, arrival, planned)
            note_caller(scope.get("ig", {}), passage.ctx)
        except IgError as error:
            return answer(outcome_of(error), media_type)
        except TROUBLE as error:
            return answer(outcome_of(refusal_of(error)), media_type)
        if outcome is not None:
            return answer(outcome, media_type, self._headers(passage, early))
        parameters = early or await self.read(scope, receive, headers)
        if isinstance(parameters, BadRequest):
            return answer(refusal(parameters.message, status=400, field=parameters.field), media_type, passage.headers)
        if parameters is None:
            return answer(
                refusal(f"the body is larger than {MAX_BODY_BYTES} bytes", status=413, headers={"Connection": "close"}),
                media_type,
                passage.headers,
            )
        outcome = await self.run(parameters, passage, scope["method"])
        return answer(outcome, media_type, self._headers(passage, parameters))

    def _headers(self, passage: pipeline.Passage, parameters: Any) -> Mapping[str, str]:
        """Return the rate headers, what the document uses of the deprecated and, for a persisted one, its id with its
        version tag."""
        if not isinstance(parameters, Parameters):
            return passage.headers
        known = self.engine().safelist
        document = (
            known.named(parameters.document_id) if parameters.document_id else known.by_text.get(parameters.query)
        )
        text = parameters.query if document is None else document.text
        retiring = self.engine().documents.retiring(text)
        named = {} if document is None else {"x-ig-document": document.id}
        return {**passage.headers, **retiring, **named}

    async def read(self, scope: Scope, receive: Receive, headers: Mapping[str, str]) -> Parameters | BadRequest | None:
        """Return the parameters, what is wrong with them, or None for a body that is too large."""
        try:
            if scope["method"] == "GET":
                return from_query_string(scope["query_string"])
            body = await read_body(receive, headers.get("content-length"))
            return None if body is None else from_body(body)
        except BadRequest as bad:
            return bad

    def admit(self, arrival: pipeline.Arrival, planned: Planned | None) -> tuple[pipeline.Passage, Outcome | None]:
        """Take a request through the pipeline and, when its operation is compiled, run it in the same breath. Blocks.

        Raises what the stages raise, Unauthenticated for nobody.
        """
        passage = pipeline.admit(arrival)
        ctx = passage.ctx
        if ctx.actor.kind is ActorKind.ANONYMOUS:
            raise Unauthenticated("sign in or send a key first", mend="send Authorization: Bearer with an API key")
        if planned is None or ctx.tenant_id is None:
            return passage, None
        return passage, threads.in_tenant(ctx, self.engine().run_plan, planned, ctx)

    async def run(self, parameters: Parameters, passage: pipeline.Passage, method: str) -> Outcome:
        """Return what the operation gave."""
        engine = self.engine()
        prepared = await engine.prepare(parameters, passage.ctx)
        if not isinstance(prepared, Prepared):
            return prepared
        if is_subscription(prepared.operation):
            return refusal("subscriptions run over the websocket at /graphql/ws", status=400)
        if method == "GET" and is_mutation(prepared.operation):
            return refusal("a mutation needs POST", status=405, headers={"Allow": "POST"})
        return await engine.execute(prepared, Call.of(passage.ctx))


def _is_small(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Return whether the request says that it is small: then it may be read before anyone knows who sends it."""
    if scope["method"] == "GET":
        return True
    declared = headers.get("content-length", "")
    return declared.isdigit() and len(declared) < 9 and int(declared) <= SMALL_BYTES


def _refuse_foreign_page(scope: Scope, headers: Mapping[str, str], arrival: pipeline.Arrival) -> None:
    """Refuse a request that rides on a person's cookie from another site's page (CSRF): Origin must be ours."""
    if arrival.authorization or not arrival.session_key:
        return
    if not arrivals.origin_allowed(headers) or headers.get("sec-fetch-site", "same-origin") not in {
        "same-origin",
        "none",
    }:
        raise Forbidden(
            "this page may not use your session here", mend="send the request from our own pages, or with a key"
        )
