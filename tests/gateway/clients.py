"""Small clients for tests: GraphQL over HTTP, and graphql-transport-ws over a real websocket."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol


class Api:
    """GraphQL over HTTP with a bearer token."""

    def __init__(self, url: str, token: str = "", **headers: str) -> None:
        self.url = f"{url}/graphql"
        if token:
            headers["authorization"] = f"Bearer {token}"
        self.client = httpx.Client(headers=headers, timeout=30)

    def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send a document; return the raw answer."""
        return self.client.post(self.url, json={"query": query, "variables": variables}, headers=headers)

    def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a document; return the whole response map."""
        answer: dict[str, Any] = self.post(query, variables).json()
        return answer

    def data(self, query: str, **variables: Any) -> Any:
        """Send a document that must hold; return its data."""
        answer = self.run(query, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    def code(self, query: str, **variables: Any) -> str:
        """Send a document that must fail; return the first error's code."""
        answer = self.run(query, **variables)
        assert answer.get("errors"), answer
        code: str = answer["errors"][0]["extensions"]["code"]
        return code

    def upsert(self, *inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Write entities; return id, name and version of each."""
        result = self.data(
            """mutation ($input: [EntityInput!]!) { upsertEntities(input: $input) {
                 entities { id kind name version externalId } errors { index code field message } } }""",
            input=list(inputs),
        )["upsertEntities"]
        assert result["errors"] == [], result
        entities: list[dict[str, Any]] = result["entities"]
        return entities


class Closed(AssertionError):
    """The server closed the connection; `code` says why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


class Socket:
    """One graphql-transport-ws connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.ids = (str(number) for number in itertools.count(1))
        self.kept: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.connection.send(json.dumps(message))

    def receive(self, timeout: float = 30.0) -> dict[str, Any]:
        """Return the next message. Raises Closed, or TimeoutError when none comes."""
        try:
            message: dict[str, Any] = json.loads(self.connection.recv(timeout=timeout))
        except ConnectionClosed as error:
            received = error.rcvd
            raise Closed(received.code if received else 1006, received.reason if received else "") from None
        return message

    def init(self, **payload: Any) -> dict[str, Any]:
        """Introduce ourselves; return the answer."""
        self.send({"type": "connection_init", "payload": payload})
        return self.receive()

    def subscribe(self, query: str, **variables: Any) -> str:
        """Start an operation; return its id."""
        id_ = next(self.ids)
        self.send({"id": id_, "type": "subscribe", "payload": {"query": query, "variables": variables}})
        return id_

    def next(self, id_: str, timeout: float = 30.0) -> Any:
        """Return the data of the operation's next result; messages of others are kept."""
        for place, message in enumerate(self.kept):
            if message.get("id") == id_:
                return self._data(self.kept.pop(place))
        while True:
            message = self.receive(timeout)
            if message.get("id") == id_:
                return self._data(message)
            self.kept.append(message)

    @staticmethod
    def _data(message: dict[str, Any]) -> Any:
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    def quiet(self, seconds: float = 0.6) -> bool:
        """Return whether nothing comes for so long."""
        try:
            message = self.receive(seconds)
        except TimeoutError:
            return True
        self.kept.append(message)
        return False

    def settle(self) -> None:
        """Wait until the server has dealt with what was sent: it answers in order."""
        self.send({"type": "ping"})
        while (message := self.receive())["type"] != "pong":
            self.kept.append(message)


@contextmanager
def socket(url: str, token: str = "", **headers: str) -> Iterator[Socket]:
    """Open a connection; with a token it is introduced and acknowledged."""
    with connect(
        url,
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers=headers,
        max_size=None,
        ping_interval=None,
    ) as connection:
        found = Socket(connection)
        if token:
            assert found.init(Authorization=f"Bearer {token}") == {"type": "connection_ack"}
        yield found
