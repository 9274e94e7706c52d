"""Names of routes for metrics and spans: few, stable, without ids. Pure."""

import re

_PARAMETER = re.compile(r"<(?:[^<>:]+:)?([^<>]+)>")
_REGEX = re.compile(r"[\^$\\()?*+\[\]|]")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
UNMATCHED = "unmatched"
STATIC_ROUTE = "/static/{path}"


def template_of(route: str) -> str:
    """Return `/api/v1/ingest/jobs/{job_id}` for Django's `api/v1/ingest/jobs/<uuid:job_id>`; a pattern that is a
    regular expression catches anything and counts as unmatched."""
    named = _PARAMETER.sub(r"{\1}", route)
    if _REGEX.search(named):
        return UNMATCHED
    return "/" + named.lstrip("/")


def method_of(method: str) -> str:
    """Return the method when it is one of HTTP's, else OTHER, so that strangers cannot make up series."""
    return method if method in METHODS else "OTHER"
