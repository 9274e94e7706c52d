"""Delivery statements: what one subscription was handed, signed, so that its reader can prove it and we must admit it.

A statement is an in-toto Statement v1 in a DSSE envelope, about the head of the subscription's chain
(`realtime/accounts.py`). It is made of an account of this very connection, or of one that is kept (`kept_accounts.py`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from apps.core.context import Context
from apps.core.errors import RateLimited
from apps.core.ids import new_id, parse_id
from apps.gateway import kept_accounts, measures, threads
from apps.gateway.answers import encode
from apps.gateway.engine import Engine, Prepared
from apps.gateway.parameters import BadRequest
from apps.gateway.pipeline import QuotaExceeded
from apps.gateway.realtime.accounts import Account, Terms
from apps.gateway.realtime.shapes import Source
from apps.gateway.realtime.states import State
from apps.gateway.ws_book import Book, Signed
from apps.policy import services as policy
from apps.quotas import services as quotas
from apps.quotas.types import Measure
from apps.vault import services as vault
from apps.vault.types import Subject

PREDICATE_TYPE = "https://intelgraph.dev/delivery/v1"
READ_OTHERS = "ledger.delivery.read"
COST = 5
"""Calls of the tenant's quota that a statement takes besides the one that asks for it: a signature and a record."""
EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Made:
    """A statement: what it says, and its DSSE envelope."""

    predicate: dict[str, Any]
    envelope: dict[str, Any]


def asked_for(payload: Mapping[str, Any]) -> bool:
    """Return whether a `subscribe` message asks for an account of what is delivered. Raises BadRequest."""
    wanted = (payload.get("extensions") or {}).get("statement")
    if wanted is not None and not isinstance(wanted, bool):
        raise BadRequest("extensions.statement must be true or false")
    return bool(wanted)


def terms(
    engine: Engine, prepared: Prepared, ctx: Context, operation: str, source: Source | State, numbered_after: int
) -> Terms:
    """Return what a subscription is, for its account. Its first update has the number after `numbered_after`."""
    root = engine.schema.subscription_type
    if root is None:
        raise ValueError("the schema has no subscriptions")
    since = source.since if isinstance(source, Source) else None
    declared = sorted(each.variable.name.value for each in prepared.operation.variable_definitions or ())
    variables = {name: prepared.variables[name] for name in declared if name in prepared.variables}
    return Terms(
        account_id=str(new_id()),
        operation=operation,
        tenant_id=str(source.tenant_id),
        actor=ctx.actor.ref,
        field=source.field,
        action=str(getattr(root.fields[source.field].subscribe, "action", "")),
        document=prepared.document.sha256,
        variables=sha256(encode(variables)).hexdigest(),
        redaction=policy.clearance(ctx).key,
        since=None if since is None else since.event_id,
        numbered_after=numbered_after,
    )


async def statement(ctx: Context, book: Book | None, id_: str) -> Made | None:
    """Return the statement about an operation of this connection (`book`), or about an account that is kept, by its id;
    None for what is neither and for what is not the caller's to see.

    Raises Forbidden where the caller may not follow such a subscription any more, RateLimited, Unavailable.
    """
    try:
        made: Made | None
        account = book.find(id_) if book is not None else None
        if book is not None and account is not None:
            made = await _present(ctx, book, account)
        else:
            made = await _past(ctx, id_)
    except Exception as error:
        measures.STATEMENTS.labels(getattr(error, "code", "INTERNAL")).inc()
        raise
    measures.STATEMENTS.labels("OK" if made is not None else "NONE").inc()
    return made


async def _present(ctx: Context, book: Book, account: Account) -> Made:
    policy.require(ctx, account.terms.action)
    await book.confirm(account)
    last = book.made.get(account)
    if last is not None and last.envelope is not None and last.mark == account.mark:
        return Made(last.predicate, last.envelope)
    now_s = time.monotonic()
    if last is not None and now_s - last.at_s < EVERY_S:
        raise _too_often(EVERY_S - (now_s - last.at_s))
    # Noted before it is signed: others who ask meanwhile are told to wait.
    signed = book.made[account] = Signed(account.mark, now_s, book.predicate(account))
    envelope = signed.envelope = await threads.run(ctx, _sign, ctx, signed.predicate)
    return Made(signed.predicate, envelope)


async def _past(ctx: Context, id_: str) -> Made | None:
    account_id = parse_id(id_)
    if ctx.tenant_id is None or account_id is None:
        return None
    predicate = await kept_accounts.load(ctx.tenant_id, account_id)
    if predicate is None:
        return None
    if predicate["actor"] == ctx.actor.ref:
        policy.require(ctx, predicate["subscription"]["action"])
    elif not policy.decide(ctx, READ_OTHERS).allow:
        return None
    envelope = await kept_accounts.load_signed(ctx.tenant_id, predicate)
    if envelope is None:
        if not await kept_accounts.may_sign(ctx.tenant_id, account_id, EVERY_S):
            raise _too_often(EVERY_S)
        envelope = await threads.run(ctx, _sign, ctx, predicate)
        await kept_accounts.save_signed(ctx.tenant_id, predicate, envelope)
    return Made(predicate, envelope)


async def newest(tenant_id: UUID, count: int) -> Sequence[dict[str, Any]]:
    """Return the accounts of a tenant that are kept, those opened last first. Raises Unavailable."""
    return await kept_accounts.newest(tenant_id, count)


def _sign(ctx: Context, predicate: dict[str, Any]) -> dict[str, Any]:
    """Sign a statement; blocks. The signature is a record of the tenant's ledger."""
    verdict = quotas.consume(ctx, Measure.API, COST)
    if not verdict.allowed:
        raise QuotaExceeded(verdict, Measure.API)
    subject = Subject(f"delivery/{predicate['account']}", predicate["digest"]["head"])
    return vault.sign_statement(ctx, subjects=[subject], predicate_type=PREDICATE_TYPE, predicate=predicate)


def _too_often(wait_s: float) -> RateLimited:
    return RateLimited(
        "a statement of one subscription is made at most once a second", retry_after_s=max(0.1, wait_s), field="id"
    )
