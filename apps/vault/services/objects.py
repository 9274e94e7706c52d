"""Verbs on stored objects: put, delete. Nothing is put where a tenant's data may not lie."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connections, transaction

from apps.bus import services as bus
from apps.core import conf
from apps.core.context import Context
from apps.core.errors import InvalidInput
from apps.core.ids import new_id
from apps.core.routers import write_alias
from apps.core.scope import require_tenant_id, tenant_scope
from apps.core.telemetry import get_logger
from apps.tenants.selectors import by_id
from apps.tenants.types import TenantInfo
from apps.vault import selectors, store
from apps.vault.errors import ResidencyRefused, StoreUnavailable
from apps.vault.events import ObjectDeleted, ObjectStored
from apps.vault.models import ObjectManifest
from apps.vault.types import RETENTION_TIERS, StoredObject

log = get_logger(__name__)


def region_for(tenant: TenantInfo, wanted: str | None) -> str:
    """Return the region where the tenant's object is put.

    The bucket of a production installation lies in that installation's region, so nothing else may be asked for
    there; the embedded one plays every region. Raises ResidencyRefused when the tenant's data may not lie there.
    """
    settings = conf.get()
    region = wanted or (tenant.home_region if settings.embedded else settings.region)
    if region not in tenant.allowed_regions:
        allowed = ", ".join(tenant.allowed_regions)
        raise ResidencyRefused(
            f"data of {tenant.slug} may not lie in {region}", field="region", mend=f"Allowed: {allowed}."
        )
    if not settings.embedded and region != settings.region:
        raise ResidencyRefused(f"this installation stores in {settings.region} only, not in {region}", field="region")
    return region


def _lock(key: str) -> None:
    """Let nobody else put or remove these bytes until this transaction ends."""
    with connections[write_alias()].cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])


def put_object(
    ctx: Context,
    *,
    content: bytes | Iterable[bytes],
    content_type: str,
    region: str | None = None,
    retention_tier: str = "standard-365d",
) -> StoredObject:
    """Store bytes for the context's tenant and return the new reference; equal bytes are kept once.

    `content` may be an iterable of parts: it is hashed while it is written, in bounded memory. Raises InvalidInput
    for an unknown tier or no tenant, ResidencyRefused, StoreUnavailable.
    """
    if retention_tier not in RETENTION_TIERS:
        raise InvalidInput(f"retention tier must be one of {', '.join(RETENTION_TIERS)}", field="retention_tier")
    tenant = by_id(ctx.tenant_id) if ctx.tenant_id else None
    if tenant is None:
        raise InvalidInput("objects are stored for a tenant", field="tenant")
    there = region_for(tenant, region)
    parts = [content] if isinstance(content, bytes | bytearray | memoryview) else content
    objects = store.default()
    staged = objects.stage(there, tenant.id, (bytes(part) for part in parts))
    key = store.content_key(there, tenant.id, staged.sha256)
    row = ObjectManifest(
        id=new_id(),
        tenant_id=tenant.id,
        key=key,
        sha256=staged.sha256,
        size_bytes=staged.size_bytes,
        content_type=content_type,
        region=there,
        retention_tier=retention_tier,
        created_at=ctx.now,
    )
    placed = False
    try:
        with transaction.atomic(using=write_alias()):
            _lock(key)
            if objects.size(key) != staged.size_bytes:
                objects.place(staged, key)
                placed = True
            row.save(force_insert=True)
            bus.record(ctx, ObjectStored(row.id, row.sha256, row.size_bytes, there, retention_tier))
    finally:
        if not placed:
            objects.discard(staged)
    return selectors.stored_object(ctx, row.id)


def delete_object(ctx: Context, *, object_id: UUID) -> None:
    """Remove a reference; the bytes go with the last one, after commit. Raises ObjectMissing."""
    with transaction.atomic(using=write_alias()):
        found = selectors.stored_object(ctx, object_id)
        ObjectManifest.objects.filter(id=object_id).delete()
        bus.record(ctx, ObjectDeleted(found.id, found.sha256))
        tenant_id = require_tenant_id()
        transaction.on_commit(lambda: _remove_unreferenced(tenant_id, found.key), using=write_alias())


def _remove_unreferenced(tenant_id: UUID, key: str) -> None:
    """Remove bytes that no row refers to; bytes that stay behind when the store is away harm nobody and are logged."""
    with tenant_scope(tenant_id), transaction.atomic(using="default"):
        _lock(key)
        if ObjectManifest.objects.filter(key=key).exists():
            return
        try:
            store.default().delete(key)
        except StoreUnavailable as error:
            log.error("object left behind", key=key, error=error.message)
