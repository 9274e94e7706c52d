"""Reading ahead: the next blocks are read and mapped while PostgreSQL is at work on the last ones."""

import queue
import threading
from collections.abc import Callable, Generator
from contextvars import copy_context
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 2
"""Finished pieces that may wait: enough to keep both sides busy, little enough to bound memory."""
BEAT_S = 1.0


class _End:
    """Nothing follows; `error` is why, when something went wrong."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Producer(Generic[T]):
    def __init__(self, produce: Callable[[], T | None]) -> None:
        self._produce = produce
        self._stopped = threading.Event()
        self.ready: queue.Queue[T | _End] = queue.Queue(DEPTH)

    def run(self) -> None:
        end = _End(None)
        try:
            while (piece := self._produce()) is not None:
                if not self._put(piece):
                    return
        except BaseException as error:  # noqa: BLE001  whatever it is, it is raised where the pieces are taken
            end = _End(error)
        self._put(end)

    def stop(self) -> None:
        self._stopped.set()

    def _put(self, piece: T | _End) -> bool:
        while not self._stopped.is_set():
            try:
                self.ready.put(piece, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


def ahead(produce: Callable[[], T | None], beat: Callable[[], None]) -> Generator[T, None, None]:
    """Yield what `produce` returns until it returns None, producing up to `DEPTH` pieces ahead in a thread.

    `beat` is called here, in the taker's thread, before each piece and about every second while waiting: a producer
    that is busy for long (skipping a row of gigabytes) does not make its job look dead. Errors of `produce` are raised
    here, in their turn. `produce` must not use the database.
    """
    producer = _Producer(produce)
    thread = threading.Thread(target=copy_context().run, args=(producer.run,), name="ingest-ahead", daemon=True)
    thread.start()
    try:
        while True:
            beat()
            try:
                piece = producer.ready.get(timeout=BEAT_S)
            except queue.Empty:
                continue
            if isinstance(piece, _End):
                if piece.error is not None:
                    raise piece.error
                return
            yield piece
    finally:
        producer.stop()
        thread.join()
