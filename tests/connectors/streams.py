"""Byte streams for tests: whole or in small chunks, and generated ones that never stand in memory."""

from collections.abc import Callable, Iterator

from apps.connectors.types import Block, Reader


def opener(data: bytes, size: int = 1 << 16) -> Callable[[], Iterator[bytes]]:
    """Return an opener of `data` in chunks of `size` bytes."""

    def stream() -> Iterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    return stream


def read_all(reader: Reader, rows: int = 2_000) -> Block:
    """Return everything that a reader yields, as one block."""
    whole: Block | None = None
    numbers: list[int] = []
    while (block := reader.read(rows)) is not None:
        numbers += block.numbers
        if whole is None:
            whole = block
        else:
            whole.rows += block.rows
            whole.errors += block.errors
            whole.read += block.read
            whole.end = block.end
    assert whole is not None, "the reader yielded nothing"
    whole.numbers = numbers
    return whole
