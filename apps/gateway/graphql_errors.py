"""The one mapper from errors to GraphQL errors: families of `apps.core.errors` keep code and words, all else is INTERNAL."""

from typing import Any

from graphql import GraphQLError

from apps.core import problem
from apps.core.errors import IgError, RateLimited
from apps.core.telemetry import get_logger
from apps.gateway.away import TROUBLE, refusal_of

log = get_logger(__name__)

# Which details of a refusal callers are told, as in problem details; `oldest` is the first event to resume from.
TOLD = problem.TOLD | {"oldest"}


def extensions_of(error: IgError) -> dict[str, Any]:
    """Return `extensions` for an expected refusal: code, the field meant, how to mend it, when to come back."""
    extensions: dict[str, Any] = {"code": error.code}
    if error.field is not None:
        extensions["field"] = error.field
    if error.mend is not None:
        extensions["mend"] = error.mend
    if isinstance(error, RateLimited):
        extensions["retryAfter"] = max(1, round(error.retry_after_s + 0.5))
    extensions.update({key: value for key, value in error.details.items() if key in TOLD})
    return extensions


def format_refusal(error: IgError) -> dict[str, Any]:
    """Return the error map for a refusal that happened before any field was resolved."""
    return {"message": error.message, "extensions": extensions_of(error)}


def format_coercion(error: GraphQLError) -> dict[str, Any]:
    """Return the error map for a variable that does not fit its type."""
    formatted: dict[str, Any] = {"message": error.message}
    if error.locations:
        formatted["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    formatted["extensions"] = {"code": "BAD_USER_INPUT", "reason": "VARIABLE_COERCION_FAILED"}
    return formatted


def format_error(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """Return the error map of a GraphQL response for an error met while executing.

    What is not an expected refusal is logged with its traceback and told as INTERNAL with the request id only: its
    words may hold rows or secrets.
    """
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    formatted: dict[str, Any] = {"message": error.message}
    if error.locations:
        formatted["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        formatted["path"] = error.path
    if isinstance(original, TROUBLE):
        original = refusal_of(original)
    if isinstance(original, IgError):
        formatted["message"] = original.message
        formatted["extensions"] = extensions_of(original)
    elif original is None and error.message.startswith("Argument '"):
        # graphql-core's words for a literal that holds a variable which does not fit
        formatted["extensions"] = {"code": "BAD_USER_INPUT", "reason": "ARGUMENT_COERCION_FAILED"}
    elif error.extensions and isinstance(error.extensions.get("code"), str):
        formatted["extensions"] = dict(error.extensions)
    else:
        log.error("graphql field failed", path=".".join(map(str, error.path or [])), exc_info=original or error)
        formatted["message"] = f"An internal error happened; tell us request {request_id}"
        formatted["extensions"] = {"code": "INTERNAL", "requestId": request_id}
    return formatted
