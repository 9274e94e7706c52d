"""What is used of limits now, as it is asked every second."""

import pytest

from apps.quotas import selectors, services, store
from apps.quotas.types import Measure
from tests.conftest import TenantKit


def used(tenant: TenantKit) -> dict[Measure, int | None]:
    return {one.measure: one.used for one in selectors.usage(tenant.ctx)}


def test_what_is_taken_is_used_and_looking_takes_nothing(tenant: TenantKit) -> None:
    assert used(tenant) == {Measure.API: 0, Measure.INGEST: 0, Measure.DELIVERIES: 0}
    limit = selectors.limits_for(tenant.info.id)[Measure.INGEST]
    assert services.consume(tenant.ctx, Measure.INGEST, limit.burst // 2).allowed
    found = next(one for one in selectors.usage(tenant.ctx) if one.measure is Measure.INGEST)
    assert found.used is not None and limit.burst * 0.4 < found.used <= limit.burst // 2
    assert found.full_in_s == found.used / limit.rate_per_s
    assert used(tenant)[Measure.API] == 0


def test_without_redis_the_limits_are_told_and_their_use_is_not_known(
    tenant: TenantKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*anything: object) -> dict[str, float]:
        raise OSError("away")

    monkeypatch.setattr(store, "look", away)
    found = selectors.usage(tenant.ctx)
    assert [(one.used, one.full_in_s) for one in found] == [(None, 0.0)] * 3
    assert all(one.limit.burst > 0 for one in found)
