"""The accounts of one connection: those of its subscriptions that asked for one. Other connections have no book.

What is handed to the socket is noted at that moment, by the bytes. The book asks its client now and then, by a ping of
the protocol, to confirm what came; and it has its accounts kept, so that they outlive the connection.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import orjson

from apps.core.telemetry import get_logger
from apps.gateway import kept_accounts, measures
from apps.gateway.realtime.accounts import Account, handed
from apps.gateway.realtime.batches import Batch
from apps.gateway.waiting import Alarm, Gate, clock

log = get_logger(__name__)

KEEP_S = 5.0
"""How old what is kept of an open account may be: a process that is killed takes the rest with it."""
PING_EVERY = 6  # times KEEP_S
CONFIRM_S = 1.0  # how long a statement waits for the client to confirm
PARTING_S = 2.0
MAX_PINGS = 8
MAX_ACCOUNTS = 128


class Holder(Protocol):
    """The connection, as its book sees it."""

    def send(self, text: str) -> None:
        """Send a message."""

    def chore(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside everything else."""

    def pending(self, id_: bytes) -> tuple[int, int]:
        """Return how many updates of an operation wait, and how many were left out and the client is not told yet."""


class _Ping:
    """A question to the client, and what was handed on before it was asked."""

    __slots__ = ("answered", "marks")

    def __init__(self, marks: dict[Account, int]) -> None:
        self.marks, self.answered = marks, Gate()


@dataclass(slots=True)
class Signed:
    """The statement that was made last of an account; `envelope` is None while it is being signed."""

    mark: tuple[int, int | None, bool]
    at_s: float
    predicate: dict[str, Any]
    envelope: dict[str, Any] | None = None


class Book:
    """Accounts by the id of their operation, as JSON. One that has ended can be asked for as long as there is room."""

    __slots__ = (
        "_accounts",
        "_alarm",
        "_holder",
        "_keeping",
        "_kept",
        "_past",
        "_pings",
        "_tenant_id",
        "_ticks",
        "made",
    )

    def __init__(self, holder: Holder, tenant_id: UUID) -> None:
        self._holder, self._tenant_id = holder, tenant_id
        self._accounts: dict[bytes, Account] = {}
        self._past: dict[bytes, Account] = {}  # their ids are those of other operations now
        self._pings: dict[str, _Ping] = {}
        self._kept: dict[Account, tuple[int, int | None, bool]] = {}
        self.made: dict[Account, Signed] = {}
        self._keeping = asyncio.Lock()
        self._alarm: Alarm | None = None
        self._ticks = 0

    # -- what is handed on ----------------------------------------------------------------------------------------

    def open(self, account: Account) -> None:
        """Keep account of a subscription from now on."""
        if len(self._accounts) >= MAX_ACCOUNTS:
            over = next((key for key, each in self._accounts.items() if each.ended is not None), None)
            if over is not None:
                self._forget(self._accounts.pop(over))
        self._accounts[orjson.dumps(account.terms.operation)] = account
        measures.ACCOUNTS.inc()
        if self._alarm is None:
            self._alarm = clock().later(KEEP_S, self._tick)

    def reuse(self, id_: str) -> None:
        """Another operation begins under this id: what it is handed is not of the account that has ended."""
        key = orjson.dumps(id_)
        account = self._accounts.pop(key, None)
        if account is None:
            return
        before = self._past.pop(key, None)
        if before is None and len(self._past) >= MAX_ACCOUNTS:
            before = self._past.pop(next(iter(self._past)))
        if before is not None:
            self._forget(before)
        self._past[key] = account

    def _forget(self, account: Account) -> None:
        self._kept.pop(account, None)
        self.made.pop(account, None)

    def handed(self, id_: bytes, batch: Batch) -> None:
        """A window's updates of an operation were handed to the socket."""
        account = self._accounts.get(id_)
        if account is not None:
            account.note(batch.handed())

    def said(self, text: str) -> None:
        """A message was handed to the socket; it counts if it is a result of an operation that has an account."""
        for id_, account in self._accounts.items():
            head = f'{{"id":{id_.decode()},"type":"next","payload":'
            if text.startswith(head):
                account.note((handed(text[len(head) : -1]),))
                return

    def end(self, id_: str, by: str, code: int | None, reason: str) -> None:
        """An operation is over."""
        account = self._accounts.get(orjson.dumps(id_))
        if account is not None and account.ended is None:
            account.end(by, code, reason)
            account.left_out = self._holder.pending(orjson.dumps(id_))[1]
            measures.ACCOUNTS.dec()
            self._holder.chore(self.keep())

    # -- what is told of it ---------------------------------------------------------------------------------------

    def find(self, id_: str) -> Account | None:
        """Return the account of an operation of this connection."""
        key = orjson.dumps(id_)
        return self._accounts.get(key) or self._past.get(key)

    def predicate(self, account: Account) -> dict[str, Any]:
        """Return an account of this book as it stands."""
        id_ = orjson.dumps(account.terms.operation)
        if self._accounts.get(id_) is not account:
            return account.predicate()
        return account.predicate(*self._holder.pending(id_))

    # -- what the client confirms ---------------------------------------------------------------------------------

    def ping(self) -> _Ping:
        """Ask the client to confirm what came. It answers with what it was sent, as the protocol's clients do."""
        nonce = secrets.token_urlsafe(12)
        running = [account for account in self._accounts.values() if account.ended is None]
        asked = self._pings[nonce] = _Ping({account: account.sequence for account in running})
        while len(self._pings) > MAX_PINGS:
            del self._pings[next(iter(self._pings))]
        operations = {
            account.terms.operation: {"account": account.terms.account_id, "sequence": account.sequence}
            for account in running
        }
        payload = {"statement": {"nonce": nonce, "operations": operations}}
        self._holder.send(orjson.dumps({"type": "ping", "payload": payload}).decode())
        return asked

    def ponged(self, payload: Mapping[str, Any]) -> None:
        """The client sent a pong: if it answers one of ours, all that was sent before that has come."""
        said = payload.get("statement")
        nonce = said.get("nonce") if isinstance(said, dict) else None
        asked = self._pings.pop(nonce, None) if isinstance(nonce, str) else None
        if asked is None:
            return
        for account, sequence in asked.marks.items():
            account.acknowledge(sequence)
        asked.answered.set()

    async def confirm(self, account: Account) -> None:
        """Have the client confirm what it was handed, where it does so at once. One that does not answer is not waited for again."""
        if account.ended is not None or account.acknowledged == account.sequence:
            return
        silent = len(self._pings) > 1
        asked = self.ping()
        if silent:
            return
        try:
            async with asyncio.timeout(CONFIRM_S):
                await asked.answered.wait()
        except TimeoutError:
            log.debug("a client does not confirm", account=account.terms.account_id)

    # -- what is kept ---------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._alarm = None
        if not any(account.ended is None for account in self._accounts.values()):
            return
        self._ticks += 1
        if self._ticks % PING_EVERY == 0:
            self.ping()
        self._holder.chore(self.keep())
        self._alarm = clock().later(KEEP_S, self._tick)

    async def keep(self) -> None:
        """Have kept what has changed."""
        async with self._keeping:  # what is newer is kept later
            changed = {}
            for account in (*self._accounts.values(), *self._past.values()):
                if self._kept.get(account) != account.mark:
                    changed[account] = account.mark
            predicates = [self.predicate(account) for account in changed]
            if predicates and await kept_accounts.save(self._tenant_id, predicates):
                self._kept.update(changed)

    async def part(self) -> None:
        """The connection is over: have everything kept."""
        if self._alarm is not None:
            self._alarm.cancel()
        try:
            async with asyncio.timeout(PARTING_S):
                await self.keep()
        except TimeoutError:
            log.warning("accounts of deliveries not kept", accounts=len(self._accounts))
