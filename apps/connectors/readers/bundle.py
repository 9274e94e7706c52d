"""STIX 2.0 and 2.1 bundles (and TAXII 2.1 envelopes), object by object, in bounded memory.

The bundle is never parsed as a whole: the end of each object is found first, then that object is parsed. The usual
way to the end counts braces between the places that look like a border of objects, at the speed of C, and lets the
JSON parser decide: no proper prefix of a JSON object is one, so a text that parses is exactly the object. Braces
inside strings make the count wrong; then the tokens are read one by one.
"""

import re
from typing import Any

import orjson

from apps.connectors.readers.envelope import read_head, read_tail
from apps.connectors.readers.jsonl import parse
from apps.connectors.readers.lines import suspicious, too_large
from apps.connectors.readers.source import ByteSource
from apps.connectors.readers.window import CLOSE_LIST, COMMA, OPEN, Window
from apps.connectors.types import START, Block, Limits, Opener, Position, RowError

_BORDER = re.compile(rb"\}\s*,\s*\{")
_STIX_ID = re.compile(r"[a-z0-9][a-z0-9-]*--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_START = re.compile(rb",\s*\{")
_MARK = re.compile(rb"[,\]{]")
_NEAR_BYTES = 1 << 15
_RESYNC_BUDGET = 8


class BundleReader:
    """Reads the objects of a bundle as dicts; a broken one becomes an error and reading goes on with the next."""

    columns: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None

    def __init__(self, opener: Opener, limits: Limits, start: Position = START) -> None:
        self.source = ByteSource(opener(), limits, skip=start.offset)
        self._limits = limits
        self._window = Window(self.source, start.offset)
        self._row = start.row
        self._errors: list[RowError] = []
        self._closed = not start.offset and not read_head(self._window)

    def read(self, max_rows: int) -> Block | None:
        """Return the next block of at most `max_rows` objects."""
        if self._finished():
            return None
        rows: list[Any] = []
        numbers: list[int] = []
        window = self._window
        first = self._row
        stop = window.offset + self._limits.block_bytes
        while self._row - first < max_rows and window.offset < stop and self._to_object():
            self._run_of_objects(rows, numbers, first + max_rows, stop)
            if self._row - first >= max_rows or window.offset >= stop or window.peek() != OPEN:
                continue
            self._row += 1
            value = self._object()
            if value is not None:
                rows.append(value)
                numbers.append(self._row)
        errors, self._errors = self._errors, []
        if self._finished() and not rows and not errors:
            return None
        return Block(rows, numbers, Position(window.offset, self._row), self._row - first, errors)

    def _finished(self) -> bool:
        return self._closed

    def _to_object(self) -> bool:
        """Go to the start of the next object. Returns False when there is none left."""
        window = self._window
        while True:
            mark = window.peek()
            if mark == OPEN:
                return True
            if mark == COMMA:
                window.at += 1
            elif mark == CLOSE_LIST:
                window.at += 1
                self._closed = True
                wrong = read_tail(window)
                if wrong is not None:
                    self._row += 1
                    self._fail(*wrong, self._row, window.offset)
                return False
            elif mark < 0:
                self._closed = True
                if not any(error.code == "TRUNCATED" for error in self._errors):
                    self._row += 1
                    what = "the bundle ends in the middle of 'objects'"
                    self._fail("TRUNCATED", what, "Send the whole file again.", self._row, window.offset)
                return False
            else:
                self._skip_junk()

    def _run_of_objects(self, rows: list[Any], numbers: list[int], last_row: int, stop: int) -> None:
        """Take objects for as long as they are plain and whole in the window; leave any other one to `_object`."""
        window, limits = self._window, self._limits
        data, at, row = window.data, window.at, self._row
        search, count, loads = _BORDER.search, data.count, orjson.loads
        if window.suspicious:
            return
        stop -= window.base
        while row < last_row and at < stop:
            opened = balance = 0
            counted = end = at
            while True:
                border = search(data, end)
                if border is None or border.start() - at >= _NEAR_BYTES:
                    return
                end = border.start() + 1
                opening = count(b"{", counted, end)
                opened += opening
                balance += opening - count(b"}", counted, end)
                counted = end
                if balance <= 0:
                    break
            text = data[at:end]
            try:
                value = loads(text)
            except orjson.JSONDecodeError:
                return
            if len(value) > limits.max_columns or opened + text.count(b"[") > limits.max_depth:
                return
            if len(text) > limits.max_row_bytes:
                return
            row += 1
            rows.append(value)
            numbers.append(row)
            at = border.end() - 1
            window.at, self._row = at, row

    def _object(self) -> Any:
        """Return the object that starts here, or None when it is an error; afterwards reading stands behind it."""
        window = self._window
        end = self._end_of_object()
        while end < 0:
            if window.held > self._limits.max_row_bytes:
                return self._broken()
            more = window.fill()
            end = self._end_of_object()
            if not more and end < 0:
                return self._broken()
        start, offset = window.at, window.offset
        text = window.data[start:end]
        window.at = end
        if len(text) > self._limits.max_row_bytes:
            self._errors.append(too_large(self._row, offset, len(text), self._limits))
            return None
        outcome = parse(self._row, offset, text, self._limits, closer=suspicious(text))
        if not isinstance(outcome, RowError):
            return outcome
        self._errors.append(outcome)
        if outcome.code == "MALFORMED_JSON":
            following = self._next_object(start + 1)
            if 0 < following < end:  # a stray quote made one object of several
                window.at = following
        return None

    def _end_of_object(self) -> int:
        """Return where the object here ends; -1 when the window does not hold it, or too little to ask."""
        window = self._window
        if not window.ended and window.held < min(_NEAR_BYTES, self._limits.max_row_bytes):
            return -1
        return window.nested_end(window.at)

    def _broken(self) -> None:
        """Say why the object here cannot be framed, and go on behind it."""
        window = self._window
        row, offset = self._row, window.offset
        following = self._next_object(window.at + 1)
        if following > 0:
            what = "the object is not closed: a quote or a brace is missing"
            self._fail("MALFORMED_JSON", what, "Mend the object.", row, offset)
            window.at = following
        elif window.ended:
            self._fail("TRUNCATED", "the bundle ends in the middle of this object", "Send it whole again.", row, offset)
            window.at = len(window.data)
        else:
            self._errors.append(too_large(row, offset, window.skip_nested(), self._limits))

    def _next_object(self, start: int) -> int:
        """Return where the next STIX object starts in the window after `start`, or -1 (also when that grows dear)."""
        window = self._window
        budget = _RESYNC_BUDGET * self._limits.max_row_bytes
        for border in _START.finditer(window.data, start):
            at = border.end() - 1
            end = window.nested_end(at)
            budget -= (end if end > 0 else len(window.data)) - at
            if budget < 0:
                break
            if end > 0 and _looks_like_object(window.data[at:end]):
                return at
        return -1

    def _skip_junk(self) -> None:
        """Record that something else than an object stands here, and pass over it."""
        window = self._window
        self._row += 1
        what = "something else than an object stands in 'objects'"
        self._fail("NOT_AN_OBJECT", what, "Mend the bundle.", self._row, window.offset)
        end = window.value_end()
        if end > 0:
            window.at = end
            return
        window.at += 1
        while (mark := _MARK.search(window.data, window.at)) is None:
            window.at = len(window.data)
            if not window.fill():
                return
        window.at = mark.start()

    def _fail(self, code: str, message: str, mend: str, row: int, offset: int) -> None:
        self._errors.append(RowError(row, code, message, mend, offset=offset))


def _looks_like_object(text: bytes) -> bool:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    kind, identity = value.get("type"), value.get("id")
    if not isinstance(kind, str) or not isinstance(identity, str):
        return False
    return identity.startswith(kind + "--") and _STIX_ID.fullmatch(identity) is not None
