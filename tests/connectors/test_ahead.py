"""Reading ahead: order, errors in their turn, and a thread that ends with its taker."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from apps.connectors.services.ahead import DEPTH, ahead


def ended() -> bool:
    """Whether no reader runs any more; a busy machine may need a moment for its last step."""
    until = time.monotonic() + 5
    while any(thread.name == "ingest-ahead" for thread in threading.enumerate()):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def test_pieces_come_in_order_and_an_error_in_its_turn() -> None:
    pieces: Iterator[int] = iter(range(50))

    def produce() -> int | None:
        piece = next(pieces, None)
        if piece == 20:
            raise ValueError("broken at 20")
        return piece

    seen: list[int] = []
    with pytest.raises(ValueError, match="broken at 20"), closing(ahead(produce, lambda: None)) as taken:
        seen.extend(taken)
    assert seen == list(range(20))
    assert ended()


def test_no_more_is_produced_than_may_wait() -> None:
    made: list[int] = []

    def produce() -> int:
        made.append(1)
        return len(made)

    with closing(ahead(produce, lambda: None)) as taken:
        assert next(taken) == 1
        time.sleep(0.3)
        assert len(made) <= DEPTH + 2
    assert ended()


def test_the_taker_shows_life_while_it_waits_and_may_stop() -> None:
    beats: list[int] = []
    released = threading.Event()

    def produce() -> int:
        released.wait(5)
        return 1

    def beat() -> None:
        beats.append(1)
        if len(beats) == 3:
            released.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), closing(ahead(produce, beat)) as taken:
        next(taken)
    assert len(beats) == 3
    assert ended()
