"""Stored objects: named by their hash, one tenant's only, in allowed regions only, and never silently wrong."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from apps.core import conf
from apps.core.errors import InvalidInput
from apps.core.scope import tenant_scope
from apps.vault import selectors, services, store
from apps.vault.errors import ObjectCorrupt, ObjectMissing, ResidencyRefused, StoreUnavailable
from apps.vault.models import ObjectManifest
from apps.vault.services.objects import region_for
from tests.conftest import TenantKit

BIG = store.IN_MEMORY_BYTES * 2 + 12_345


def folder() -> Path:
    return Path(conf.get()["OBJECT_STORE_URL"].removeprefix("file://"))


def put(kit: TenantKit, content: Any = b"hello", **more: Any) -> Any:
    return services.put_object(kit.ctx, content=content, content_type="text/plain", **more)


def big_parts() -> Iterator[bytes]:
    left, block = BIG, bytes(range(256)) * 4096
    while left:
        yield block[: min(left, len(block))]
        left -= min(left, len(block))


def staged(kit: TenantKit) -> list[Path]:
    return list((folder() / kit.info.home_region / str(kit.info.id) / "staging").glob("*"))


def test_an_object_comes_back_as_it_was_put(tenant: TenantKit) -> None:
    stored = put(tenant)
    sha256 = hashlib.sha256(b"hello").hexdigest()
    assert stored.key == f"eu-west-1/{tenant.info.id}/{sha256[:2]}/{sha256}"
    assert (stored.sha256, stored.size_bytes, stored.content_type) == (sha256, 5, "text/plain")
    assert selectors.read_object(tenant.ctx, stored.id) == b"hello"
    assert [row.id for row in selectors.stored_objects(tenant.ctx)] == [stored.id]
    assert selectors.stored_objects(tenant.ctx, after=stored.id) == []
    assert selectors.missing_objects(tenant.ctx) == []


def test_a_large_object_streams_both_ways(tenant: TenantKit) -> None:
    stored = put(tenant, big_parts())
    digest = hashlib.sha256()
    for part in big_parts():
        digest.update(part)
    assert (stored.sha256, stored.size_bytes) == (digest.hexdigest(), BIG)
    _, parts = selectors.stream_object(tenant.ctx, stored.id)
    returned = hashlib.sha256()
    for part in parts:
        assert len(part) < 8 * store.CHUNK_BYTES
        returned.update(part)
    assert returned.hexdigest() == stored.sha256
    assert staged(tenant) == []


def test_an_upload_that_breaks_off_leaves_nothing(tenant: TenantKit) -> None:
    def broken() -> Iterator[bytes]:
        yield from big_parts()
        raise ConnectionResetError("the sender went away")

    with pytest.raises(ConnectionResetError):
        put(tenant, broken())
    assert staged(tenant) == []
    assert selectors.stored_objects(tenant.ctx) == []


def test_equal_bytes_are_kept_once_until_the_last_reference_goes(tenant: TenantKit) -> None:
    first, second = put(tenant), put(tenant, [b"hel", b"lo"])
    large = [put(tenant, big_parts()) for _ in range(2)]
    assert first.key == second.key
    assert large[0].key == large[1].key
    assert staged(tenant) == []
    path = folder() / first.key
    services.delete_object(tenant.ctx, object_id=first.id)
    assert path.read_bytes() == b"hello"
    services.delete_object(tenant.ctx, object_id=second.id)
    assert not path.exists()
    with pytest.raises(ObjectMissing):
        selectors.read_object(tenant.ctx, second.id)
    with pytest.raises(ObjectMissing):
        services.delete_object(tenant.ctx, object_id=second.id)


def test_a_delete_that_is_rolled_back_keeps_the_bytes(tenant: TenantKit) -> None:
    stored = put(tenant)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.delete_object(tenant.ctx, object_id=stored.id)
        raise ZeroDivisionError
    assert selectors.read_object(tenant.ctx, stored.id) == b"hello"


def test_an_outsider_sees_nothing(tenant: TenantKit, outsider: TenantKit) -> None:
    stored = put(tenant)
    with tenant_scope(tenant.info.id), pytest.raises(ObjectMissing):
        selectors.read_object(outsider.ctx, stored.id)


def test_another_tenants_scope_sees_nothing(outsider: TenantKit) -> None:
    with tenant_scope(outsider.info.id):
        theirs = put(outsider)
        assert ObjectManifest.objects.filter(id=theirs.id).exists()
    from tests.conftest import make_tenant

    mine = make_tenant()
    with tenant_scope(mine.info.id):
        assert not ObjectManifest.objects.filter(id=theirs.id).exists()
        with pytest.raises(ObjectMissing):
            services.delete_object(mine.ctx, object_id=theirs.id)
        same = put(mine)
        assert same.key != theirs.key


def test_altered_and_vanished_bytes_are_noticed(tenant: TenantKit) -> None:
    stored = put(tenant)
    path = folder() / stored.key
    path.write_bytes(b"hellO")
    with pytest.raises(ObjectCorrupt, match="other bytes"):
        selectors.read_object(tenant.ctx, stored.id)
    path.unlink()
    with pytest.raises(ObjectMissing, match="not in the store"):
        selectors.read_object(tenant.ctx, stored.id)
    assert [row.id for row in selectors.missing_objects(tenant.ctx)] == [stored.id]
    put(tenant)
    assert selectors.read_object(tenant.ctx, stored.id) == b"hello"


def test_a_region_that_is_not_allowed_is_refused(tenant: TenantKit) -> None:
    with pytest.raises(ResidencyRefused, match="may not lie in us-east-1") as caught:
        put(tenant, region="us-east-1")
    assert caught.value.mend == "Allowed: eu-west-1."
    assert selectors.stored_objects(tenant.ctx) == []
    assert not (folder() / "us-east-1" / str(tenant.info.id)).exists()


def test_production_stores_in_its_own_region_only(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def production(region: str) -> None:
        values = dict(conf.get().values) | {"IG_MODE": "production", "IG_REGION": region}
        monkeypatch.setattr(conf, "get", lambda: conf.Settings(values))

    with monkeypatch.context():
        production("eu-west-1")
        assert region_for(tenant.info, None) == "eu-west-1"
        production("us-east-1")
        with pytest.raises(ResidencyRefused, match="may not lie in us-east-1"):
            region_for(tenant.info, None)
        with pytest.raises(ResidencyRefused, match="stores in us-east-1 only"):
            region_for(tenant.info, "eu-west-1")


def test_bad_requests_are_refused(tenant: TenantKit) -> None:
    with pytest.raises(InvalidInput, match="retention tier"):
        put(tenant, retention_tier="forever")
    with pytest.raises(InvalidInput, match="for a tenant"):
        services.put_object(tenant.ctx.but(tenant_id=None), content=b"", content_type="text/plain")


@pytest.mark.parametrize("url", ["ftp://host/x", "objects", "file:/dev/null/objects", "az://container/x"])
def test_an_address_that_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        store.connect(url)


def test_a_region_cannot_lead_out_of_the_store(tenant: TenantKit) -> None:
    for region in ("../elsewhere", "", "eu/west", "EU"):
        with pytest.raises(ValueError, match="is no region"):
            store.prefix(region, tenant.info.id)


def test_a_copy_of_a_checkpoint_is_never_replaced(tenant: TenantKit) -> None:
    objects = store.default()
    there = ("eu-west-1", tenant.info.id)
    objects.copy_checkpoint(*there, 5, b"note", b"signature")
    objects.copy_checkpoint(*there, 5, b"note", b"signature")
    with pytest.raises(ObjectCorrupt, match="other content"):
        objects.copy_checkpoint(*there, 5, b"other", b"signature")
    objects.copy_checkpoint(*there, 12, b"later", b"signature")
    assert objects.checkpoint_copies(*there, newest=5) == [(5, b"note", b"signature"), (12, b"later", b"signature")]
    assert [size for size, _, _ in objects.checkpoint_copies(*there, newest=1)] == [12]
