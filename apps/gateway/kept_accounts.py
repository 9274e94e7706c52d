"""Accounts of deliveries as they are kept in Redis: for a day, the newest thousand of each tenant.

They are kept for those who ask after the connection is gone. What is kept is sealed by this installation's secret, so
that whoever can write to Redis cannot have us sign something of their own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.core.signing import BadSignature, Signer
from redis.exceptions import RedisError

from apps.core.errors import Unavailable
from apps.core.telemetry import get_logger
from apps.gateway import store

log = get_logger(__name__)

KEPT_S = 24 * 3600
MAX_KEPT = 1_000


def _index(tenant_id: UUID) -> str:
    return f"ig:t:{tenant_id}:deliveries"


def _key(tenant_id: UUID, account_id: str) -> str:
    return f"ig:t:{tenant_id}:delivery:{account_id}"


def _signed_key(tenant_id: UUID, account_id: str) -> str:
    return f"ig:t:{tenant_id}:delivery:{account_id}:signed"


def _sealer(tenant_id: UUID) -> Signer:
    return Signer(salt=f"apps.gateway.deliveries:{tenant_id}")


def _open(tenant_id: UUID, sealed: bytes | str | None) -> dict[str, Any] | None:
    if sealed is None:
        return None
    text = sealed.decode() if isinstance(sealed, bytes) else sealed
    try:
        found: dict[str, Any] = orjson.loads(_sealer(tenant_id).unsign(text))
    except BadSignature:
        log.error("an account of deliveries was not written by this installation", tenant=str(tenant_id))
        return None
    return found


async def save(tenant_id: UUID, predicates: Sequence[dict[str, Any]]) -> bool:
    """Keep accounts as they stand, in place of what was kept of them. Returns whether they are kept (not without Redis)."""
    client, index, sealer = store.client(), _index(tenant_id), _sealer(tenant_id)
    try:
        async with client.pipeline(transaction=False) as pipe:
            for predicate in predicates:
                account_id = predicate["account"]
                pipe.set(_key(tenant_id, account_id), sealer.sign(orjson.dumps(predicate).decode()), ex=KEPT_S)
                opened = datetime.fromisoformat(predicate["times"]["opened"]).timestamp()
                pipe.zadd(index, {account_id: opened})
            pipe.expire(index, KEPT_S)
            pipe.zrange(index, 0, -(MAX_KEPT + 1))
            *_, over = await pipe.execute()
        if over:
            names = [each.decode() for each in over]
            gone = [key(tenant_id, name) for name in names for key in (_key, _signed_key)]
            await client.delete(*gone)
            await client.zrem(index, *names)
    except (RedisError, OSError) as error:
        log.warning("accounts of deliveries not kept", error=type(error).__name__)
        return False
    return True


async def load(tenant_id: UUID, account_id: UUID) -> dict[str, Any] | None:
    """Return what is kept of an account of this tenant, or None. Raises Unavailable without Redis."""
    try:
        return _open(tenant_id, await store.client().get(_key(tenant_id, str(account_id))))
    except (RedisError, OSError):
        raise _away() from None


async def newest(tenant_id: UUID, count: int) -> list[dict[str, Any]]:
    """Return the accounts that were opened last, newest first. Raises Unavailable without Redis."""
    client = store.client()
    try:
        found_names: list[bytes] = await client.zrevrange(_index(tenant_id), 0, count - 1)  # type: ignore[assignment]
        names = [name.decode() for name in found_names]
        texts = await client.mget([_key(tenant_id, name) for name in names]) if names else []
    except (RedisError, OSError):
        raise _away() from None
    return [found for text in texts if (found := _open(tenant_id, text)) is not None]


async def may_sign(tenant_id: UUID, account_id: UUID, every_s: float) -> bool:
    """Return whether nobody has had this account signed for so long; then nobody else may for as long."""
    key = f"{_signed_key(tenant_id, str(account_id))}:turn"
    try:
        return bool(await store.client().set(key, b"1", nx=True, px=int(every_s * 1_000)))
    except (RedisError, OSError):
        raise _away() from None


async def load_signed(tenant_id: UUID, predicate: dict[str, Any]) -> dict[str, Any] | None:
    """Return the envelope that was made of exactly this state of an account, or None."""
    try:
        found = _open(tenant_id, await store.client().get(_signed_key(tenant_id, predicate["account"])))
    except (RedisError, OSError):
        return None
    if found is None or found["asOf"] != predicate["times"]["asOf"]:
        return None
    envelope: dict[str, Any] = found["envelope"]
    return envelope


async def save_signed(tenant_id: UUID, predicate: dict[str, Any], envelope: dict[str, Any]) -> None:
    """Keep the envelope that was made of this state, so that asking again signs nothing anew."""
    sealed = _sealer(tenant_id).sign(orjson.dumps({"asOf": predicate["times"]["asOf"], "envelope": envelope}).decode())
    try:
        await store.client().set(_signed_key(tenant_id, predicate["account"]), sealed, ex=KEPT_S)
    except (RedisError, OSError) as error:
        log.warning("a statement not kept", error=type(error).__name__)


def _away() -> Unavailable:
    return Unavailable("accounts of deliveries cannot be read now", mend="ask again in a few seconds")
