"""Token buckets, plans and headers as laws."""

from hypothesis import given
from hypothesis import strategies as st

from apps.quotas.buckets import Bucket, lease_size
from apps.quotas.headers import rate_headers
from apps.quotas.plans import limit_of
from apps.quotas.types import Limit, Measure, Verdict

LIMIT = Limit(rate_per_s=10, burst=20)


def test_burst_then_rate() -> None:
    bucket = Bucket(20, 0)
    assert [bucket.take(LIMIT, 1, 0) for _ in range(21)] == [True] * 20 + [False]
    assert bucket.wait_s(LIMIT, 1) == 0.1
    assert bucket.take(LIMIT, 1, 0.1)
    assert not bucket.take(LIMIT, 1, 0.1)


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 8)), max_size=60))
def test_never_more_than_burst_and_flow(calls: list[tuple[float, int]]) -> None:
    bucket, now, taken = Bucket(20, 0), 0.0, 0
    for pause, cost in calls:
        now += pause
        taken += cost if bucket.take(LIMIT, cost, now) else 0
    assert taken <= LIMIT.burst + LIMIT.rate_per_s * now + 1e-6


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(0, 100)
    assert not bucket.take(LIMIT, 1, 50)
    assert bucket.at_s == 100


def test_a_cost_above_the_burst_is_never_met() -> None:
    assert not Bucket(20, 0).take(LIMIT, 21, 1e9)


def test_leases_are_small_and_cover_the_need() -> None:
    assert lease_size(Limit(200, 12_000), 1) == 10
    assert lease_size(Limit(1, 10), 7) == 7


def test_plans() -> None:
    assert limit_of("starter", Measure.API) == Limit(50, 3_000)
    assert limit_of("Pro", Measure.API).rate_per_s == 100
    assert limit_of("enterprise", Measure.API).rate_per_s == 200
    assert limit_of("unheard-of", Measure.INGEST) == limit_of("starter", Measure.INGEST)


def test_headers_are_structured_fields() -> None:
    allowed = rate_headers(Measure.API, Verdict(True, Limit(50, 3000), 2999, 0.02))
    assert allowed == {"RateLimit-Policy": '"api";q=3000;w=60', "RateLimit": '"api";r=2999;t=1'}
    refused = rate_headers(Measure.API, Verdict(False, Limit(50, 3000), 0, 60, retry_after_s=0.3))
    assert refused["Retry-After"] == "1"
