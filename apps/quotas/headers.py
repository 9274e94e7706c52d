"""`RateLimit` and `RateLimit-Policy`, the one place that speaks this dialect.

Source: draft-ietf-httpapi-ratelimit-headers-10; structured fields of RFC 9651; Retry-After of RFC 9110 section 10.2.3.
Pure: no Django.
"""

from math import ceil

from apps.quotas.types import Measure, Verdict


def rate_headers(measure: Measure, verdict: Verdict) -> dict[str, str]:
    """Return the headers for a verdict: the policy (tokens per window in seconds), what is left, when to come back."""
    name = measure.value
    headers = {
        "RateLimit-Policy": f'"{name}";q={verdict.limit.burst};w={verdict.limit.window_s}',
        "RateLimit": f'"{name}";r={max(0, verdict.remaining)};t={ceil(verdict.reset_s)}',
    }
    if not verdict.allowed:
        headers["Retry-After"] = str(max(1, ceil(verdict.retry_after_s)))
    return headers
