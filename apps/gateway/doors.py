"""Which application answers a path: a table of exact paths, nothing clever."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[Any]]


class HttpDoors:
    """Sends a request to the door of its path (a `/` at its end aside), else to `otherwise`.

    A door's path is its route in figures and spans.
    """

    def __init__(self, table: Mapping[str, App], otherwise: App) -> None:
        self.table = table
        self.otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        door = self.table.get(path)
        if door is None:
            await self.otherwise(scope, receive, send)
            return
        scope.setdefault("ig", {})["route"] = path
        await door(scope, receive, send)
