"""Lines of a source, many at a time, each of bounded length."""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

from apps.connectors.readers.source import ByteSource
from apps.connectors.types import START, Limits, Position, RowError

_DIGITS = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_TWENTY_DIGITS = b"0" * 20


def suspicious(data: bytes) -> bool:
    """Return whether `data` may hold a NUL, or a number of 20 or more digits, so that rows need a closer look."""
    return b"\0" in data or b"\\u0000" in data or _TWENTY_DIGITS in data.translate(_DIGITS)


def too_large(row: int, offset: int, size: int, limits: Limits) -> RowError:
    """Return the error of a row beyond the bound."""
    return RowError(
        row,
        "ROW_TOO_LARGE",
        f"the row has {size} bytes; at most {limits.max_row_bytes} are taken",
        "Split the value, or check that the row's end is not missing.",
        offset=offset,
    )


@dataclass(slots=True)
class Lines:
    """Whole lines without their line feeds; an oversized line is None and has its error in `errors`."""

    lines: list[bytes | None]
    start: Position
    sizes: list[int]
    suspicious: bool
    errors: list[RowError]

    def offset_of(self, index: int) -> int:
        """Return the byte offset at which line `index` starts."""
        return self.start.offset + sum(self.sizes[:index])


class LineReader:
    """Cuts a byte source into lines. A line beyond the bound is skipped without being held in memory."""

    def __init__(self, source: ByteSource, limits: Limits, start: Position = START) -> None:
        self.position = start
        self._source = source
        self._limits = limits
        self._lines: list[bytes | None] = []
        self._sizes: list[int] = []
        self._at = 0
        self._tail = b""
        self._skipped = 0
        self._ended = False
        self._suspicious = False

    def take(self, max_rows: int, max_bytes: int) -> Lines | None:
        """Return up to `max_rows` lines of up to about `max_bytes` in all, or None at the end."""
        lines: list[bytes | None] = []
        sizes: list[int] = []
        size = 0
        flagged = False
        while len(lines) < max_rows and size < max_bytes:
            if self._at == len(self._lines):
                if not self._load():
                    break
                if self.position.offset == 0:
                    self.position = Position(self._source.mark, self.position.row)
                continue
            stop = min(self._at + max_rows - len(lines), len(self._lines))
            part = self._sizes[self._at : stop]
            total = sum(part)
            if size + total > max_bytes:
                keep = bisect_left(list(accumulate(part)), max_bytes - size) + 1
                stop = self._at + keep
                part = part[:keep]
                total = sum(part)
            lines += self._lines[self._at : stop]
            sizes += part
            size += total
            flagged = flagged or self._suspicious
            self._at = stop
        if not lines:
            return None
        taken = Lines(lines, self.position, sizes, flagged, [])
        if None in lines:
            self._report(taken)
        self.position = Position(self.position.offset + size, self.position.row + len(lines))
        return taken

    @property
    def ended(self) -> bool:
        """True when every line of the source has been taken."""
        if self._at == len(self._lines):
            self._load()
        return self._at == len(self._lines)

    def put_back(self, taken: Lines, index: int) -> None:
        """Give the lines from `index` on back, so that the next `take` starts with them."""
        self._lines = taken.lines[index:] + self._lines[self._at :]
        self._sizes = taken.sizes[index:] + self._sizes[self._at :]
        self._at = 0
        self._suspicious = self._suspicious or taken.suspicious
        self.position = Position(taken.offset_of(index), taken.start.row + index)

    def _report(self, taken: Lines) -> None:
        for index, line in enumerate(taken.lines):
            if line is None:
                size = taken.sizes[index]
                taken.errors.append(too_large(taken.start.row + index + 1, taken.offset_of(index), size, self._limits))

    def _load(self) -> bool:
        """Fetch more lines. Returns False at the end."""
        self._lines, self._sizes, self._at = [], [], 0
        while not self._ended:
            chunk = self._source.read()
            if not chunk:
                return self._finish()
            if self._skipped:
                end = chunk.find(b"\n")
                if end < 0:
                    self._skipped += len(chunk)
                    continue
                self._lines.append(None)
                self._sizes.append(self._skipped + end + 1)
                self._skipped = 0
                chunk = chunk[end + 1 :]
            data = self._tail + chunk
            self._suspicious = suspicious(data)
            lines = data.split(b"\n")
            self._tail = lines.pop()
            sizes = [len(line) + 1 for line in lines]
            if len(data) > self._limits.max_row_bytes and lines and max(sizes) > self._limits.max_row_bytes + 1:
                self._lines += [None if len(line) > self._limits.max_row_bytes else line for line in lines]
            else:
                self._lines += lines
            self._sizes += sizes
            if len(self._tail) > self._limits.max_row_bytes:
                self._skipped, self._tail = len(self._tail), b""
            if self._lines:
                return True
        return False

    def _finish(self) -> bool:
        self._ended = True
        if self._skipped:
            self._lines.append(None)
            self._sizes.append(self._skipped)
        elif self._tail:
            self._lines.append(self._tail)
            self._sizes.append(len(self._tail))
            self._suspicious = suspicious(self._tail)
            self._tail = b""
        return bool(self._lines)
