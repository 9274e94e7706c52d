"""Reads of the vault: public keys for everyone, a tenant's objects for the tenant in scope."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from apps.core.context import Context
from apps.core.scope import system_scope
from apps.vault import keys, store
from apps.vault.errors import ObjectCorrupt, ObjectMissing
from apps.vault.models import ObjectManifest, SigningKey
from apps.vault.types import KeyInfo, KeyStatus, StoredObject


def public_keys() -> list[KeyInfo]:
    """Return every key there ever was, newest first: old signatures need old keys."""
    with system_scope("vault.keys"):
        rows = list(SigningKey.objects.all())
    return [
        KeyInfo(row.key_id, row.status, row.origin, row.public_key_pem, row.not_before, row.not_after) for row in rows
    ]


def key_documents() -> list[dict[str, Any]]:
    """Return the public keys as exports, proofs and `keys.json` carry them."""
    return [key.as_document() for key in public_keys()]


def keys_document() -> dict[str, Any]:
    """Return what `/.well-known/intelgraph/keys.json` serves."""
    return {"keys": key_documents()}


def jwks_document() -> dict[str, Any]:
    """Return what `/.well-known/jwks.json` serves (RFC 7517): the keys whose signatures are to be accepted now."""
    accepted = [key for key in public_keys() if key.status != KeyStatus.RETIRED]
    return {"keys": [keys.jwk(keys.load_public(key.public_key_pem)) for key in accepted]}


def _stored(row: ObjectManifest) -> StoredObject:
    return StoredObject(
        id=row.id,
        key=row.key,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        content_type=row.content_type,
        region=row.region,
        retention_tier=row.retention_tier,
        created_at=row.created_at,
    )


def stored_object(ctx: Context, object_id: UUID) -> StoredObject:
    """Return a manifest row. Raises ObjectMissing (also for another tenant's)."""
    row = ObjectManifest.objects.filter(id=object_id, tenant_id=ctx.tenant_id).first()
    if row is None:
        raise ObjectMissing("there is no such object")
    return _stored(row)


def stored_objects(ctx: Context, *, after: UUID | None = None, limit: int = 100) -> list[StoredObject]:
    """Return the tenant's objects in order of id, above `after`."""
    rows = ObjectManifest.objects.filter(tenant_id=ctx.tenant_id)
    if after is not None:
        rows = rows.filter(id__gt=after)
    return [_stored(row) for row in rows.order_by("id")[:limit]]


def stream_object(ctx: Context, object_id: UUID) -> tuple[StoredObject, Iterator[bytes]]:
    """Return an object and its bytes, in parts.

    Raises ObjectMissing; the iterator raises ObjectCorrupt after its last part when the bytes are not what was put.
    """
    found = stored_object(ctx, object_id)
    return found, store.default().stream(found.key, found.sha256)


def read_object(ctx: Context, object_id: UUID) -> bytes:
    """Return all bytes of a small object, checked. Raises ObjectMissing, ObjectCorrupt."""
    found, parts = stream_object(ctx, object_id)
    data = b"".join(parts)
    if len(data) != found.size_bytes:
        raise ObjectCorrupt(f"{found.size_bytes} bytes were put, {len(data)} are there")
    return data


def missing_objects(ctx: Context, *, limit: int = 1000) -> list[StoredObject]:
    """Return those of the tenant's newest `limit` objects whose bytes are gone or have another size."""
    rows = ObjectManifest.objects.filter(tenant_id=ctx.tenant_id).order_by("-id")[:limit]
    return [_stored(row) for row in rows if store.default().size(row.key) != row.size_bytes]
