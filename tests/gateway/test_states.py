"""How often a state is read, whoever follows and wakes it, and what a failing store does to those who follow."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from apps.core.context import Context
from apps.core.errors import NotFound
from apps.core.ids import new_id
from apps.gateway.realtime.states import Part, State, Watch

EVERY_S = 0.05


class Follower:
    """Keeps what it was handed."""

    def __init__(self) -> None:
        self.taken: list[Sequence[Part]] = []
        self.failed: list[Exception] = []

    async def take(self, state: State, parts: Sequence[Part], made: dict[Any, str]) -> None:
        self.taken.append(parts)

    def fail(self, error: Exception) -> None:
        self.failed.append(error)


def watching(read: Callable[[Context], Sequence[Part]], *followers: Follower, **how: Any) -> Watch:
    watch = Watch(State(new_id(), "field", "action", "key", read, EVERY_S, ("app.thing.",), **how))
    watch.followers.update(followers)  # type: ignore[arg-type]
    return watch


async def for_a_while(watch: Watch, seconds: float, every: Callable[[], None] = lambda: None) -> None:
    task = asyncio.create_task(watch.run())
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until and not task.done():
        every()
        await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_followers_share_a_reading_and_a_flood_of_wakes_reads_no_more_often() -> None:
    reads = iter(range(1_000))
    followers = [Follower() for _ in range(5)]
    watch = watching(lambda ctx: [Part("a", next(reads))], *followers)
    asyncio.run(for_a_while(watch, 1.0, lambda: watch.heard("app.thing.done")))
    assert 5 <= len(followers[0].taken) <= 21
    assert all(each.taken == followers[0].taken for each in followers)


def test_what_rests_is_read_again_only_when_a_record_of_its_kind_is_numbered() -> None:
    follower = Follower()
    watch = watching(lambda ctx: [Part("a", 1, settled=True)], follower)
    asyncio.run(for_a_while(watch, 0.6, lambda: watch.heard("app.other.done")))
    assert len(follower.taken) == 1
    again = Follower()
    watch = watching(lambda ctx: [Part("a", 1, settled=True)], again)
    asyncio.run(for_a_while(watch, 0.6, lambda: watch.heard("app.thing.done")))
    assert len(again.taken) > 3


def test_pauses_grow_while_nothing_differs() -> None:
    steady, moving = Follower(), Follower()
    numbers = iter(range(1_000))
    asyncio.run(for_a_while(watching(lambda ctx: [Part("a", 1)], steady, slowest_s=5.0), 1.0))
    asyncio.run(for_a_while(watching(lambda ctx: [Part("a", next(numbers))], moving, slowest_s=5.0), 1.0))
    assert len(steady.taken) <= 5 < len(moving.taken)


def test_a_store_that_is_away_ends_nobody_and_a_thing_that_is_not_there_does() -> None:
    tries = iter(range(1_000))

    def stumbling(ctx: Context) -> Sequence[Part]:
        if next(tries) < 2:
            raise OSError("away")
        return [Part("a", "back")]

    follower = Follower()
    asyncio.run(for_a_while(watching(stumbling, follower), 1.0))
    assert follower.taken[0] == [Part("a", "back")] and not follower.failed

    def missing(ctx: Context) -> Sequence[Part]:
        raise NotFound("there is no such thing")

    other = Follower()
    asyncio.run(for_a_while(watching(missing, other), 0.5))
    assert [type(error) for error in other.failed] == [NotFound] and not other.taken
