"""Django's side of the door: every request has an id and says its version; REST asks here for the pipeline.

What is found out (route, tenant, actor) is left in `scope["ig"]` for the edge, which logs, counts and traces it.

    passage = passage_of(request)      # stages 1 to 4, once per request; raises what the stages raise
    pipeline.decide(altered(passage, action="graph.entity.read"))
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.core.context import Context, described_by
from apps.gateway import arrivals, pipeline
from apps.gateway.edge import note_caller
from apps.gateway.routes import STATIC_ROUTE, UNMATCHED, template_of
from apps.gateway.versions import API_VERSION


class RequestScope:
    """Outermost middleware: request id, version header, the rate headers of whoever passed the pipeline; and, for the
    edge's log and figures, the route, the tenant and the actor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        request_id = request_id_of(request)
        with described_by(Context(request_id=request_id)):
            response = self.get_response(request)
        response.headers.setdefault("x-request-id", request_id)
        response.headers.setdefault("x-ig-api-version", API_VERSION)
        passage = getattr(request, "ig_passage", None)
        facts_of(request)["route"] = route_of(request)
        if isinstance(passage, pipeline.Passage):
            for name, value in passage.headers.items():
                response.headers.setdefault(name, value)
        return response


def request_id_of(request: HttpRequest) -> str:
    """Return the request's id: given by the server's outer layer, else by the caller, else new; it stays the same."""
    known: str = getattr(request, "ig_request_id", "") or getattr(request, "scope", {}).get("ig", {}).get(
        "request_id", ""
    )
    if not known:
        known = arrivals.request_id_of({name.lower(): value for name, value in request.headers.items()})
    request.ig_request_id = known  # type: ignore[attr-defined]
    return known


def facts_of(request: HttpRequest) -> dict[str, str]:
    """Return what the edge is told of this request (a map of nobody's when no edge is around Django)."""
    facts: dict[str, str] = getattr(request, "scope", {}).get("ig", {})
    return facts


def route_of(request: HttpRequest) -> str:
    """Return the template of the route that took this request, such as `/api/v1/ingest/jobs/{job_id}`."""
    if request.resolver_match is not None:
        return template_of(request.resolver_match.route)
    return STATIC_ROUTE if request.path.startswith(settings.STATIC_URL) else UNMATCHED


def arrival_of(request: HttpRequest) -> pipeline.Arrival:
    """Return what a Django request says of itself."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    scope = {"client": (request.META.get("REMOTE_ADDR", ""), 0), "ig": {"request_id": request_id_of(request)}}
    return arrivals.of_http(scope, headers)


def passage_of(request: HttpRequest) -> pipeline.Passage:
    """Return the request after stages 1 to 4; asked again, the same. Raises what the stages raise."""
    found = getattr(request, "ig_passage", None)
    if not isinstance(found, pipeline.Passage):
        found = pipeline.admit(arrival_of(request))
        request.ig_passage = found  # type: ignore[attr-defined]
        note_caller(facts_of(request), found.ctx)
    return found
