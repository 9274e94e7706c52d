"""When keys were used last: written in the background, never by a request."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext

from apps.core.context import Context
from apps.core.kept import drop_everything
from apps.core.postgresql.wire import Wire
from apps.core.scope import no_scope, system_scope
from apps.identity import key_uses, selectors, services
from apps.identity.models import ApiKey
from tests.conftest import TenantKit


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    services.flush_key_uses()
    yield
    services.flush_key_uses()


def last_use(kit: TenantKit) -> datetime | None:
    [info] = selectors.api_keys(kit.ctx)
    return info.last_used_at


def test_a_request_reads_key_and_tenant_and_writes_nothing(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [tenant.key("reader") for _ in range(2)]
    said: list[str] = []
    run = Wire.run

    def listen(wire: Wire, sql: str, params: Any) -> Any:
        said.append(" ".join(sql.split())[:6])
        return run(wire, sql, params)

    with no_scope():
        drop_everything()
        monkeypatch.setattr(Wire, "run", listen)
        with CaptureQueriesContext(connections["system"]) as others:
            services.authenticate_token(Context(), tokens[0])
            services.authenticate_token(Context(), tokens[1])
    assert set(said) == {"select"}
    assert 3 <= len(said) <= 4, "a key and its tenant, then the other key; the tenant again once changes are followed"
    assert len(others) == 0


def test_a_use_is_written_once_a_minute(tenant: TenantKit) -> None:
    token = tenant.key("reader")
    services.authenticate_token(Context(), token)
    assert last_use(tenant) is None, "not yet"
    assert services.flush_key_uses() == 1
    first = last_use(tenant)
    assert first is not None and datetime.now(UTC) - first < timedelta(minutes=1)
    services.authenticate_token(Context(), token)
    assert services.flush_key_uses() == 0
    [row] = ApiKey.objects.all()
    key_uses._noted.pop(row.id)  # another process
    key_uses.note(row.id, first + timedelta(seconds=30))
    assert services.flush_key_uses() == 0, "some process wrote it within the minute"
    key_uses._noted.pop(row.id)
    key_uses.note(row.id, first + timedelta(seconds=61))
    assert services.flush_key_uses() == 1
    assert last_use(tenant) == first + timedelta(seconds=61)


def test_the_background_writes_by_itself(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_uses, "WRITE_EVERY_S", 0.05)
    services.authenticate_token(Context(), tenant.key("reader"))
    end = time.monotonic() + 15
    while last_use(tenant) is None and time.monotonic() < end:
        time.sleep(0.05)
    assert last_use(tenant) is not None


def test_a_database_that_is_away_costs_no_request_and_loses_no_use(
    tenant: TenantKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tenant.key("reader")
    services.authenticate_token(Context(), token)
    with monkeypatch.context() as patched:

        def away(*args: Any) -> Any:
            raise OperationalError("the database is away")

        patched.setattr(key_uses, "run_prepared", away)
        assert services.flush_key_uses() == 0
        services.authenticate_token(Context(), token)
    assert last_use(tenant) is None
    assert services.flush_key_uses() == 1
    assert last_use(tenant) is not None


def test_a_key_that_somebody_changes_is_not_waited_for(tenant: TenantKit) -> None:
    services.authenticate_token(Context(), tenant.key("reader"))
    with transaction.atomic():
        ApiKey.objects.select_for_update().get()
        with no_scope(), system_scope("identity.authenticate"):
            began = time.monotonic()
            assert services.flush_key_uses() == 0
            assert time.monotonic() - began < 5


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch, tenant: TenantKit) -> None:
    monkeypatch.setattr(key_uses, "MOST", 3)
    before = len(key_uses._noted)
    for _ in range(6):
        services.authenticate_token(Context(), tenant.key("reader"))
    assert len(key_uses._waiting) <= 3
    assert len(key_uses._noted) <= max(3, before)
