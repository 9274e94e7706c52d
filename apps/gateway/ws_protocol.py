"""`graphql-transport-ws` as a machine: messages and events go in, effects come out. No sockets, no clock, no Django.

Source: the protocol text of enisdenjo/graphql-ws (PROTOCOL.md), all message types and close codes.

| code | when |
| --- | --- |
| 4400 | a message that is not one of the protocol's, or is one in the wrong shape |
| 4401 | `subscribe` before `connection_ack`, or by a caller who is nobody |
| 4403 | the credentials of `connection_init` are refused |
| 4406 | the client does not speak `graphql-transport-ws` |
| 4408 | no `connection_init` in time |
| 4409 | `subscribe` with an id that is in use |
| 4429 | a second `connection_init`, or a flood of messages |
| 1003 | a binary message |
| 1009 | a message larger than allowed |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

import orjson

SUBPROTOCOL = "graphql-transport-ws"


class CloseCode(IntEnum):
    """Why a connection ends. Besides the protocol's own: 1001 (the server goes away), 1013 (the client is too slow)."""

    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    TOO_BIG = 1009
    INTERNAL = 1011
    TRY_AGAIN_LATER = 1013
    BAD_MESSAGE = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY = 4429


class Phase(StrEnum):
    """Where a connection stands."""

    OPENED = "opened"  # no connection_init yet
    ASKING = "asking"  # connection_init came, credentials are being looked at
    READY = "ready"  # acknowledged
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text to the client."""

    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with this code and reason (at most 123 bytes of UTF-8)."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Look at the credentials in this payload, then call `acknowledge` or `refuse`."""

    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """Run the operation that this payload describes, under this id."""

    id: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop the operation of this id: the client wants no more of it."""

    id: str


@dataclass(frozen=True, slots=True)
class Ponged:
    """The client sent a pong with this payload."""

    payload: Mapping[str, Any]


Effect = Send | Close | Authenticate | Start | Stop | Ponged


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Bounds of one connection. Messages are counted in a bucket: a burst, refilled per second."""

    init_timeout_s: float = 10.0
    anonymous_lifetime_s: float = 60.0
    max_message_bytes: int = 256 * 1024
    max_operations: int = 100
    max_id_characters: int = 256
    messages_per_s: float = 200.0
    message_burst: int = 1_000


def _text(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z).decode()


@dataclass(slots=True)
class Machine:
    """The server's side of one connection."""

    limits: SocketLimits = field(default_factory=SocketLimits)
    phase: Phase = Phase.OPENED
    anonymous: bool = True
    operations: set[str] = field(default_factory=set)
    _tokens: float = field(default=-1.0)
    _refilled_at: float = 0.0

    # -- what the connection does ---------------------------------------------------------------------------------

    def offered(self, subprotocols: Sequence[str]) -> list[Effect]:
        """The client opened the connection offering these subprotocols."""
        if SUBPROTOCOL in subprotocols:
            return []
        return self._close(
            CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, "Subprotocol not acceptable: offer graphql-transport-ws"
        )

    def init_timed_out(self) -> list[Effect]:
        """The time for connection_init has passed."""
        if self.phase is Phase.OPENED:
            return self._close(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")
        return []

    def nobody_timed_out(self) -> list[Effect]:
        """The time that a caller without credentials may stay has passed."""
        if self.phase is Phase.READY and self.anonymous:
            return self._close(CloseCode.UNAUTHORIZED, "Unauthorized: send credentials in connection_init")
        return []

    def received_bytes(self) -> list[Effect]:
        """A binary message came."""
        return self._close(CloseCode.UNSUPPORTED_DATA, "Binary messages are not taken; send JSON text")

    def received(self, text: str, now_s: float) -> list[Effect]:
        """A text message came at `now_s` (seconds of any steady clock)."""
        if self.phase is Phase.CLOSED:
            return []
        # A character is at most four bytes; only texts near the bound need encoding to be measured.
        bound = self.limits.max_message_bytes
        if len(text) > bound or (len(text) * 4 > bound and len(text.encode("utf-8", "surrogatepass")) > bound):
            return self._close(CloseCode.TOO_BIG, f"Message larger than {bound} bytes")
        if not self._take_token(now_s):
            return self._close(CloseCode.TOO_MANY, "Too many messages")
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return self._bad("Invalid message: not JSON")
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return self._bad("Invalid message: a map with 'type' is expected")
        payload = message.get("payload")
        match message["type"]:
            case "connection_init":
                return self._init(payload)
            case "ping":
                if payload is not None and not isinstance(payload, dict):
                    return self._bad("Invalid message: payload of 'ping' must be a map")
                try:
                    return [Send(_text({"type": "pong"} if payload is None else {"type": "pong", "payload": payload}))]
                except orjson.JSONEncodeError:  # read so deeply nested, but not written
                    return self._bad("Invalid message: payload of 'ping' is nested too deeply")
            case "pong":
                if payload is not None and not isinstance(payload, dict):
                    return self._bad("Invalid message: payload of 'pong' must be a map")
                return [Ponged(payload)] if payload else []
            case "subscribe":
                return self._subscribe(message.get("id"), payload)
            case "complete":
                return self._complete(message.get("id"))
        return self._bad("Invalid message: unknown type")

    def lost(self) -> list[Effect]:
        """The connection is gone: everything that runs stops."""
        self.phase = Phase.CLOSED
        stopped: list[Effect] = [Stop(id_) for id_ in sorted(self.operations)]
        self.operations.clear()
        return stopped

    # -- what the application answers -----------------------------------------------------------------------------

    def acknowledge(self, *, anonymous: bool, payload: Mapping[str, Any] | None = None) -> list[Effect]:
        """The credentials hold (or there were none: `anonymous`)."""
        if self.phase is not Phase.ASKING:
            return []
        self.phase, self.anonymous = Phase.READY, anonymous
        return [Send(_text({"type": "connection_ack", "payload": payload} if payload else {"type": "connection_ack"}))]

    def refuse(self, reason: str = "Forbidden") -> list[Effect]:
        """The credentials are refused."""
        return self._close(CloseCode.FORBIDDEN, reason)

    def next(self, id_: str, result: Mapping[str, Any]) -> list[Effect]:
        """The operation yields a result. Nothing is sent for an operation that has ended."""
        if self.phase is not Phase.READY or id_ not in self.operations:
            return []
        return [Send(_text({"id": id_, "type": "next", "payload": result}))]

    def failed(self, id_: str, errors: Sequence[Mapping[str, Any]]) -> list[Effect]:
        """The operation could not start or go on: one `error`, and nothing after it."""
        if self.phase is not Phase.READY or id_ not in self.operations:
            return []
        self.operations.discard(id_)
        return [Send(_text({"id": id_, "type": "error", "payload": list(errors)}))]

    def completed(self, id_: str) -> list[Effect]:
        """The operation has nothing more to say."""
        if self.phase is not Phase.READY or id_ not in self.operations:
            return []
        self.operations.discard(id_)
        return [Send(_text({"id": id_, "type": "complete"}))]

    def shut(self, code: CloseCode, reason: str) -> list[Effect]:
        """The application ends the connection."""
        return self._close(code, reason)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _init(self, payload: Any) -> list[Effect]:
        if self.phase is not Phase.OPENED:
            return self._close(CloseCode.TOO_MANY, "Too many initialisation requests")
        if payload is not None and not isinstance(payload, dict):
            return self._bad("Invalid message: payload of 'connection_init' must be a map")
        self.phase = Phase.ASKING
        return [Authenticate(payload or {})]

    def _subscribe(self, id_: Any, payload: Any) -> list[Effect]:
        if not isinstance(id_, str) or not id_ or len(id_) > self.limits.max_id_characters:
            return self._bad("Invalid message: 'subscribe' needs an id of 1 to 256 characters")
        wrong = _wrong_with(payload)
        if wrong:
            return self._bad(f"Invalid message: {wrong}")
        if self.phase is not Phase.READY or self.anonymous:
            return self._close(CloseCode.UNAUTHORIZED, "Unauthorized")
        if id_ in self.operations:
            # The reason is bounded to 123 bytes; ids may be longer.
            return self._close(
                CloseCode.SUBSCRIBER_EXISTS,
                f"Subscriber for {id_[:60].encode('ascii', 'replace').decode()} already exists",
            )
        self.operations.add(id_)
        if len(self.operations) > self.limits.max_operations:
            return self.failed(
                id_,
                [
                    {
                        "message": f"{self.limits.max_operations} operations are open on this connection already; complete one first",
                        "extensions": {"code": "RATE_LIMITED"},
                    }
                ],
            )
        return [Start(id_, payload)]

    def _complete(self, id_: Any) -> list[Effect]:
        if not isinstance(id_, str) or not id_:
            return self._bad("Invalid message: 'complete' needs an id")
        if id_ not in self.operations:
            return []  # it may have completed on its own a moment ago
        self.operations.discard(id_)
        return [Stop(id_)]

    def _bad(self, reason: str) -> list[Effect]:
        return self._close(CloseCode.BAD_MESSAGE, reason)

    def _close(self, code: CloseCode, reason: str) -> list[Effect]:
        if self.phase is Phase.CLOSED:
            return []
        return [Close(int(code), reason), *self.lost()]

    def _take_token(self, now_s: float) -> bool:
        limits = self.limits
        if self._tokens < 0:
            self._tokens, self._refilled_at = float(limits.message_burst), now_s
        gained = max(0.0, now_s - self._refilled_at) * limits.messages_per_s
        self._tokens, self._refilled_at = min(float(limits.message_burst), self._tokens + gained), now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def _wrong_with(payload: Any) -> str | None:
    """Return what is wrong with the payload of `subscribe`, or None."""
    if not isinstance(payload, dict):
        return "'subscribe' needs a payload"
    extensions = payload.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        return "payload.extensions must be a map or null"
    named = payload.get("documentId") or payload.get("id") or (extensions or {}).get("persistedQuery")
    query = payload.get("query", "" if named else None)
    if not isinstance(query, str) or not (query or named):
        return "payload.query must be a string"
    if payload.get("operationName") is not None and not isinstance(payload["operationName"], str):
        return "payload.operationName must be a string or null"
    if payload.get("variables") is not None and not isinstance(payload["variables"], dict):
        return "payload.variables must be a map or null"
    return None
