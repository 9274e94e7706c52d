"""The shared bucket in Redis: one script call takes tokens atomically, by Redis's own clock."""

import threading
from collections.abc import Mapping

import redis
from django.conf import settings

from apps.quotas.types import Limit

# Takes `need` tokens or none; when there are more, up to `want`. Returns {taken, tokens left (text)}.
_TAKE = """
local rate, burst, need, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'n', 't')
local tokens, at = tonumber(kept[1]) or burst, tonumber(kept[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local taken = 0
if tokens >= need then
  taken = math.max(need, math.floor(math.min(want, tokens)))
  tokens = tokens - taken
end
redis.call('HSET', KEYS[1], 'n', tostring(tokens), 't', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {taken, tostring(tokens)}
"""

StoreError = (redis.RedisError, OSError)
_state = threading.local()


def _client() -> redis.Redis:
    found: redis.Redis | None = getattr(_state, "client", None)
    if found is None:
        found = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=0.25, socket_timeout=0.25)
        _state.client = found
    return found


def _script() -> "redis.commands.core.Script":
    found = getattr(_state, "script", None)
    if found is None:
        found = _state.script = _client().register_script(_TAKE)
    return found


def bucket_key(subject: str, measure: str) -> str:
    """Return the key of a subject's bucket; a tenant's is `ig:t:<id>:quota:<measure>`."""
    return f"ig:{subject}:quota:{measure}"


def take(subject: str, measure: str, limit: Limit, need: int, want: int) -> tuple[int, float]:
    """Take tokens from the shared bucket. Returns (taken: 0 or need…want, tokens left). Raises StoreError without Redis."""
    taken, left = _script()(
        keys=[bucket_key(subject, measure)], args=[f"{limit.rate_per_s:.6f}", limit.burst, need, max(need, want)]
    )
    return int(taken), float(left)


def put(subject: str, measure: str, limit: Limit, tokens: float) -> None:
    """Say how many tokens are left in a bucket that is counted elsewhere, for whoever looks. Raises StoreError."""
    key, client = bucket_key(subject, measure), _client()
    seconds, micros = client.time()
    with client.pipeline(transaction=False) as pipe:
        pipe.hset(key, mapping={"n": f"{tokens:.3f}", "t": f"{seconds + micros / 1_000_000:.6f}"})
        pipe.pexpire(key, int(limit.burst / limit.rate_per_s * 1_000) + 1_000)
        pipe.execute()


def look(subject: str, limits: Mapping[str, Limit]) -> dict[str, float]:
    """Return the tokens that each measure's shared bucket holds now, taking none. Raises StoreError without Redis."""
    pipe = _client().pipeline(transaction=False)
    pipe.time()
    for measure in limits:
        pipe.hmget(bucket_key(subject, measure), "n", "t")
    (seconds, micros), *kept = pipe.execute()
    now = seconds + micros / 1_000_000
    found = {}
    for (measure, limit), (tokens, at) in zip(limits.items(), kept, strict=True):
        flowed = max(0.0, now - float(at)) * limit.rate_per_s if at is not None else 0.0
        found[measure] = min(float(limit.burst), float(limit.burst if tokens is None else tokens) + flowed)
    return found
