"""What Redis does not take is tried again, then passed over; a Redis that stays away is tried ever more rarely."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from apps.bus import selectors
from apps.bus.types import Delivered
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.gateway import subscribers
from apps.gateway.realtime.wire import Stretch, decode, topic
from apps.gateway.subscribers import AWAY_MOST_S, TRIES, LivePublisher
from apps.graph import services as graph
from apps.graph.types import EntityInput
from apps.ledger import selectors as ledger
from tests.conftest import TenantKit


class Redis:
    """Redis, of which some calls fail."""

    def __init__(self, real: Any, fail: int) -> None:
        self.real, self.fail, self.asked = real, fail, 0

    def _maybe(self) -> None:
        self.asked += 1
        if self.fail:
            self.fail -= 1
            raise redis.ConnectionError("gone")

    def pubsub_numsub(self, *names: str) -> Any:
        self._maybe()
        return self.real.pubsub_numsub(*names)

    def publish(self, name: str, message: bytes) -> Any:
        self._maybe()
        return self.real.publish(name, message)


@pytest.fixture
def events(tenant: TenantKit, settle: Callable[[], None]) -> list[Delivered]:
    settle()
    with no_scope():
        with system_scope("bus.relay"):
            before = ledger.head_position()
        with tenant_scope(tenant.info.id):
            graph.upsert_entities(tenant.ctx, inputs=[EntityInput("A", f"{n}") for n in range(3)])
        settle()
        with system_scope("bus.relay"):
            found = selectors.after_position(before, limit=1_000, with_items=True)
            return [each for each in found if each.tenant_id == tenant.info.id]


@pytest.fixture
def follower(tenant: TenantKit) -> Any:
    with subscribers._client().pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(topic(tenant.info.id))
        channel.get_message(timeout=1)
        yield channel


def heard(follower: Any) -> list[Stretch]:
    found = []
    while (message := follower.get_message(timeout=0.3)) is not None:
        found.append(decode(message["data"]))
    return found


def publish(publisher: LivePublisher, events: list[Delivered]) -> None:
    with no_scope(), system_scope("bus.relay"):
        publisher.handle(events)


@pytest.mark.parametrize("fail", range(TRIES))
def test_a_redis_that_stumbles_is_tried_again(
    events: list[Delivered], follower: Any, monkeypatch: pytest.MonkeyPatch, fail: int
) -> None:
    shaky = Redis(subscribers._client(), fail)
    monkeypatch.setattr(subscribers, "_client", lambda: shaky)
    publish(LivePublisher(), events)
    (stretch,) = heard(follower)
    assert [change.kind for change in stretch.changes] == ["A"] * 3


def test_a_redis_that_stays_away_is_tried_ever_more_rarely(
    events: list[Delivered], follower: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Redis(subscribers._client(), fail=10**6)
    monkeypatch.setattr(subscribers, "_client", lambda: gone)
    now, slept = 1_000.0, []
    monkeypatch.setattr(subscribers.time, "monotonic", lambda: now)
    monkeypatch.setattr(subscribers.time, "sleep", slept.append)
    publisher, pauses = LivePublisher(), []
    for round_ in range(8):
        asked, began = gone.asked, now
        tries = 1 if round_ else TRIES
        publish(publisher, events)
        assert gone.asked == asked + tries
        while gone.asked == asked + tries and now < began + 60:  # nothing is asked again for a while
            now += 0.125
            before = gone.asked
            publish(publisher, events)
            if gone.asked > before:
                break
        pauses.append(now - began)
        now += AWAY_MOST_S + 1
    assert slept == [0.05, 0.1]
    assert pauses == sorted(pauses) and pauses[0] < 0.5 and pauses[-1] == AWAY_MOST_S
    gone.fail = 0
    publish(publisher, events)
    assert heard(follower)
    assert publisher._given_up == 0
