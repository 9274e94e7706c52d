"""JSON Lines: one object per line (jsonlines.org), UTF-8."""

from typing import Any

import orjson

from apps.connectors.readers.jsonvalues import flaw
from apps.connectors.readers.lines import LineReader, Lines
from apps.connectors.readers.source import ByteSource
from apps.connectors.types import START, Block, Limits, Opener, Position, RowError


class JsonlReader:
    """Reads JSON Lines as dicts. A line that is no object, or breaks a bound, becomes an error; blank ones nothing."""

    columns: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None

    def __init__(self, opener: Opener, limits: Limits, start: Position = START) -> None:
        self.source = ByteSource(opener(), limits, skip=start.offset)
        self._limits = limits
        self._lines = LineReader(self.source, limits, start)

    def read(self, max_rows: int) -> Block | None:
        """Return the next block of at most `max_rows` lines."""
        taken = self._lines.take(max_rows, self._limits.block_bytes)
        if taken is None:
            return None
        first = taken.start.row + 1
        end = self._lines.position
        try:
            rows: list[Any] = list(map(orjson.loads, taken.lines))  # type: ignore[arg-type]  # None raises, as meant
        except (orjson.JSONDecodeError, TypeError):
            return self._one_by_one(taken, end)
        if taken.suspicious or self._wants_look(taken, rows):
            return self._one_by_one(taken, end)
        return Block(rows, range(first, first + len(rows)), end, len(rows))

    def _wants_look(self, taken: Lines, rows: list[Any]) -> bool:
        if set(map(type, rows)) != {dict} or max(map(len, rows)) > self._limits.max_columns:
            return True
        bound = self._limits.max_depth
        text = b"".join(taken.lines)  # type: ignore[arg-type]  # every line was parsed, so none is None
        if text.count(b"{") + text.count(b"[") < len(rows) + bound:
            return False  # each row opens at least once, so no row opens more often than the bound
        return any(line.count(b"{") + line.count(b"[") > bound for line in taken.lines if line is not None)

    def _one_by_one(self, taken: Lines, end: Position) -> Block:
        block = Block([], numbers := [], end, 0, list(taken.errors))
        offset = taken.start.offset
        for index, (line, size) in enumerate(zip(taken.lines, taken.sizes, strict=True)):
            row = taken.start.row + index + 1
            if line is None or line.strip():
                block.read += 1
            if line is not None and line.strip():
                outcome = parse(row, offset, line, self._limits, closer=taken.suspicious)
                if isinstance(outcome, RowError):
                    block.errors.append(outcome)
                else:
                    block.rows.append(outcome)
                    numbers.append(row)
            offset += size
        block.errors.sort(key=lambda error: error.row)
        return block


def parse(row: int, offset: int, text: bytes, limits: Limits, *, closer: bool) -> dict[str, Any] | RowError:
    """Return the object that `text` is, or the error of that row."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _why(row, offset, text, error)
    return flaw(row, offset, text, value, limits, closer=closer) or value


def _why(row: int, offset: int, text: bytes, error: orjson.JSONDecodeError) -> RowError:
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        return RowError(
            row,
            "WRONG_ENCODING",
            f"byte {wrong.start + 1} of the row is not UTF-8 (0x{text[wrong.start]:02x})",
            "Save the file as UTF-8.",
            offset=offset + wrong.start,
        )
    if b"\0" in text:
        return RowError(
            row, "NUL_CHARACTER", "the row holds a NUL byte", "Remove it.", offset=offset + text.index(b"\0")
        )
    if "depth limit" in error.msg or "recursion" in error.msg:
        return RowError(row, "TOO_DEEP", "the row is nested too deep", "Flatten the value.", offset=offset)
    if "infinity" in error.msg:
        what = "a number of the row is too large"
        return RowError(row, "NUMBER_OUT_OF_RANGE", what, "Write it as a string.", offset=offset + max(error.pos, 0))
    return RowError(
        row,
        "MALFORMED_JSON",
        f"the row is not JSON: {error.msg} at character {error.colno}",
        "Mend the row; each one must be a whole JSON object.",
        offset=offset + max(error.pos, 0),
    )
