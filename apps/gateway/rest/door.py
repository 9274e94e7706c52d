"""The way into a REST operation: the pipeline's five stages, then what HTTP asks of a request before its view runs."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from apps.core.context import ActorKind, Context
from apps.core.errors import Forbidden, InvalidInput, Unauthenticated
from apps.core.values import altered
from apps.gateway import arrivals, pipeline
from apps.gateway.middleware import passage_of
from apps.gateway.rest.answers import plain_problem
from apps.tenants import services as tenancy

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
JSON = "application/json"


class Door:
    """Stands before one operation as its authentication: `Door("ledger.record.read")`.

    Stages 1 to 4 of the pipeline run once, then the fifth for `action`; then the request is refused when its Accept
    allows none of `gives`, or when its query names something that the operation does not know (a typing error would
    otherwise change what is answered without a word).
    """

    def __init__(self, action: str, gives: str = JSON) -> None:
        self.action = action
        self.gives = gives
        self.query: frozenset[str] = frozenset()

    def __call__(self, request: HttpRequest) -> pipeline.Passage:
        refuse_foreign_page(request)
        passage = passage_of(request)
        ctx = passage.ctx
        if ctx.actor.kind is ActorKind.ANONYMOUS:
            raise Unauthenticated("sign in or send a key first", mend="send Authorization: Bearer with an API key")
        if ctx.tenant_id is None:
            raise Forbidden("it is not said which tenant is meant", mend="name it in the header x-ig-tenant")
        passage = pipeline.decide(altered(passage, action=self.action))
        request.ig_passage = passage  # type: ignore[attr-defined]
        self._check_query(request)
        if not request.accepts(self.gives):
            raise NotAcceptable(self.gives)
        return passage

    def _check_query(self, request: HttpRequest) -> None:
        for name, values in request.GET.lists():
            if name not in self.query:
                known = ", ".join(sorted(self.query)) or "none"
                raise InvalidInput(
                    f"there is no query parameter {name[:60]!r}", field=name[:60], mend=f"known: {known}"
                )
            if len(values) > 1:
                raise InvalidInput(f"{name} is given more than once", field=name)


class NotAcceptable(InvalidInput):
    """The Accept header allows nothing that the operation gives."""

    code, status, title = "NOT_ACCEPTABLE", 406, "Not acceptable"

    def __init__(self, gives: str) -> None:
        super().__init__(f"this is given as {gives}, which Accept does not allow", field="Accept")


def refuse_foreign_page(request: HttpRequest) -> None:
    """Refuse a request that rides on a person's session from another site's page.

    With a session instead of a key, an unsafe method needs proof that it comes from our own page: an Origin that is
    ours, or the browser's word for it (Sec-Fetch-Site). Raises Forbidden.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    if headers.get("authorization") or not arrivals.session_key_of(headers):
        return
    site = headers.get("sec-fetch-site", "")
    ours = arrivals.origin_allowed(headers) and site in {"", "same-origin", "none"}
    proven = "origin" in headers or site == "same-origin" or request.method in SAFE
    if not (ours and proven):
        raise Forbidden(
            "this page may not use your session here", mend="send the request from our own pages, or with a key"
        )


def context_of(request: HttpRequest) -> Context:
    """Return the caller's context, once a Door let it through."""
    return passage_of(request).ctx


def in_tenant(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let an operation run in the caller's tenant."""

    @wraps(view)
    def scoped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with tenancy.enter(context_of(request)):
            return view(request, *args, **kwargs)

    return scoped


def answered(view: Callable[..., HttpResponse], methods: frozenset[str]) -> Callable[..., HttpResponse]:
    """Return the view of a path with what HTTP asks of every path: HEAD as GET, OPTIONS, 405 with Allow as a problem."""
    allowed = sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())})
    allow: Mapping[str, str] = {"Allow": ", ".join(allowed)}

    @wraps(view)
    def complete(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers=allow)
        if request.method not in allowed:
            return plain_problem(request, 405, f"{str(request.method)[:20]} is not taken here", allow)
        if request.method != "HEAD":
            return view(request, *args, **kwargs)
        request.method = "GET"
        try:
            return view(request, *args, **kwargs)  # the server leaves the body out
        finally:
            request.method = "HEAD"

    complete.csrf_exempt = True  # type: ignore[attr-defined]  # refuse_foreign_page does it
    return complete
