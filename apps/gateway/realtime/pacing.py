"""How fast a tenant's changes are handed on: its token buckets, and coalescing. Pure: no Django.

A token is one change, to however many subscribers it goes: each process sees every change of a tenant that it follows,
so its own buckets say what a shared one would, without asking. The tenant's bucket is that of its plan; a topic that is
one entity has a smaller one besides, so that a single noisy asset does not use up what the others need.
"""

from dataclasses import dataclass

from apps.gateway.realtime.gaps import Reason
from apps.gateway.realtime.wire import Change, Cursor
from apps.quotas.types import Bucket, Limit

MAX_TOPICS = 10_000
MAX_ENTITIES = 5_000
LAZY_S = 0.1
NOWHERE = Cursor(-1)


def topic_limit(tenant: Limit) -> Limit:
    """Return what one entity may have of a tenant's limit: half the flow, and a sixth of the burst at once."""
    return Limit(tenant.rate_per_s / 2, max(1, tenant.burst // 6))


class Pacer:
    """The buckets of one tenant in this process."""

    def __init__(self, limit: Limit, now_s: float) -> None:
        self._limit, self._topic_limit = limit, topic_limit(limit)
        self._tenant = Bucket(float(limit.burst), now_s)
        self._topics: dict[str, Bucket] = {}
        self._asked = NOWHERE
        self._answers: dict[str, Reason | None] = {}

    @property
    def limit(self) -> Limit:
        """The tenant's limit."""
        return self._limit

    def left(self, now_s: float) -> float:
        """Return how many tokens the tenant has."""
        self._tenant.refill(self._limit, now_s)
        return self._tenant.tokens

    def change_limit(self, limit: Limit, now_s: float) -> None:
        """Go by another limit from now on; what a smaller bucket cannot hold is lost, a larger one begins with more."""
        if limit == self._limit:
            return
        more = max(0, limit.burst - self._limit.burst)
        self._tenant.refill(self._limit, now_s)
        self._limit, self._topic_limit = limit, topic_limit(limit)
        self._tenant.tokens = min(float(limit.burst), self._tenant.tokens + more)
        self._topics.clear()

    def _topic(self, topic: str, now_s: float) -> Bucket:
        found = self._topics.get(topic)
        if found is None:
            if len(self._topics) >= MAX_TOPICS:
                self._topics.clear()
            found = self._topics[topic] = Bucket(float(self._topic_limit.burst), now_s)
        return found

    def take_one(self, topic: str, now_s: float) -> bool:
        """Take a token for one change of a topic. Where plenty is there the buckets are refilled ten times a second only."""
        tenant = self._tenant
        if now_s - tenant.at_s < LAZY_S and tenant.tokens >= 1:
            if not topic:
                tenant.tokens -= 1
                return True
            bucket = self._topics.get(topic)
            if bucket is not None and now_s - bucket.at_s < LAZY_S and bucket.tokens >= 1:
                tenant.tokens -= 1
                bucket.tokens -= 1
                return True
        return self.take_all(1, {topic: 1}, now_s)

    def take_all(self, changes: int, topics: dict[str, int], now_s: float) -> bool:
        """Take tokens for so many changes, and so many of each topic, or none at all."""
        self._tenant.refill(self._limit, now_s)
        if self._tenant.tokens < changes:
            return False
        buckets = [(self._topic(topic, now_s), count) for topic, count in topics.items() if topic]
        for bucket, count in buckets:
            bucket.refill(self._topic_limit, now_s)
            if bucket.tokens < count:
                return False
        for bucket, count in buckets:
            bucket.tokens -= count
        self._tenant.tokens -= changes
        return True

    def ask_anew(self) -> None:
        """Forget the last answer: the same change is asked for at another time."""
        self._asked = NOWHERE

    def refuses(self, topic: str, at: Cursor, now_s: float) -> Reason | None:
        """Return why a change is not to be handed on now; None when it is. Shapes that ask for the same change in a row
        take one token together."""
        if at != self._asked:
            self._asked, self._answers = at, {}
        if topic not in self._answers:
            self._answers[topic] = self._ask(topic, now_s)
        return self._answers[topic]

    def _ask(self, topic: str, now_s: float) -> Reason | None:
        # A topic that has nothing left takes nothing of the tenant's either.
        bucket = self._topic(topic, now_s) if topic else None
        if bucket is not None:
            bucket.refill(self._topic_limit, now_s)
            if bucket.tokens < 1:
                return Reason.TOPIC_RATE
        if None not in self._answers.values() and not self._tenant.take(self._limit, 1, now_s):
            return Reason.TENANT_RATE
        if bucket is not None:
            bucket.tokens -= 1
        return None


@dataclass(slots=True)
class Newest:
    """The newest change of an entity, and how many older ones it stands for."""

    change: Change
    superseded: int = 0

    @property
    def extensions(self) -> dict[str, dict[str, int]]:
        """What its result says of them."""
        return {"coalesced": {"superseded": self.superseded}} if self.superseded else {}


class Latest:
    """The newest change of each entity and edge since the last time somebody took them."""

    def __init__(self) -> None:
        self._by_ref: dict[tuple[str, str], Newest] = {}

    def __len__(self) -> int:
        return len(self._by_ref)

    def add(self, change: Change) -> None:
        """Put a change in the place of an older one of the same entity."""
        key = (change.ref_kind, change.ref_id)
        older = self._by_ref.get(key)
        self._by_ref[key] = Newest(change, 0 if older is None else older.superseded + 1)

    def take(self) -> list[Newest]:
        """Return them in the ledger's order, and begin anew."""
        found = sorted(self._by_ref.values(), key=lambda each: each.change.cursor)
        self._by_ref = {}
        return found
