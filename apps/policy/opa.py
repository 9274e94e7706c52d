"""Open Policy Agent as the second engine: its REST API (`POST /v1/data/...`), the one vendor that this module knows."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

WITHIN_S = 5.0


class OpaAway(Exception):
    """OPA does not answer, or not as OPA does."""


class Opa:
    """A running OPA that holds the pack; one connection, kept open."""

    def __init__(self, url: str) -> None:
        """`url` is its base address. Raises OpaAway for one that is none."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise OpaAway(f"{url!r} is no address of OPA")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=WITHIN_S)

    def ask(self, query: str, question: dict[str, Any]) -> Any:
        """Return the value of a query such as `data.ig.zt.allow`, None where it is undefined. Raises OpaAway."""
        body = json.dumps({"input": question})
        try:
            self._connection.request(
                "POST", "/v1/" + query.replace(".", "/"), body, {"Content-Type": "application/json"}
            )
            answer = self._connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise OpaAway(f"OPA answers {answer.status} to {query}")
            return json.loads(said).get("result")
        except (HTTPException, OSError, ValueError) as error:
            self._connection.close()
            raise OpaAway(f"OPA: {error or type(error).__name__}") from None

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()
