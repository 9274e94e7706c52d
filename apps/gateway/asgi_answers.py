"""Small whole answers straight over ASGI, for doors that need no framework."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from apps.core.problem import MEDIA_TYPE, encode, plain

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def answer(
    scope: Mapping[str, Any],
    send: Send,
    status: int,
    body: bytes,
    content_type: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Send one answer; a HEAD request gets the headers only. Answers of the moment: no cache may keep them."""
    merged = {
        "content-type": content_type,
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **(headers or {}),
    }
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in merged.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def answer_json(
    scope: Mapping[str, Any], send: Send, status: int, value: Any, headers: Mapping[str, str] | None = None
) -> None:
    """Send a JSON document."""
    await answer(scope, send, status, orjson.dumps(value), "application/json", headers)


async def answer_problem(
    scope: Mapping[str, Any], send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    """Send a problem (RFC 9457)."""
    request_id = scope.get("ig", {}).get("request_id", "")
    await answer(scope, send, status, encode(plain(status, detail, request_id=request_id)), MEDIA_TYPE, headers)


async def only_reading(scope: Mapping[str, Any], send: Send) -> bool:
    """Return whether the request reads (GET, HEAD); answer 405 otherwise."""
    if scope["method"] in {"GET", "HEAD"}:
        return True
    await answer_problem(scope, send, 405, f"{scope['method'][:20]} is not taken here; use GET", {"Allow": "GET, HEAD"})
    return False
