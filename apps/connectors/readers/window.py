"""A window on a stream of JSON text: the bytes from where reading stands, more on request."""

import re
from typing import Any

import orjson

from apps.connectors.readers.lines import suspicious
from apps.connectors.readers.source import ByteSource

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.S)
_LOOSE = re.compile(rb'\\.|["{}\[\]]', re.S)
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.S)
_WORD = re.compile(rb"[-+.\w]+(?=[\s,}\]])")
_SPACE = re.compile(rb"\s*")
_NO_MARKS = bytes(set(range(256)) - set(b'"\\{}[]'))
_SMALL_BYTES = 1 << 16

QUOTE, COMMA, COLON, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE = (ord(mark) for mark in '",:[]{}')


class Window:
    """`data[at:]` is unread text; `suspicious` says that it may hold a NUL or a number that the parser would round."""

    def __init__(self, source: ByteSource, start: int) -> None:
        self.data = b""
        self.at = 0
        self.base = start
        self.ended = False
        self.suspicious = False
        self._source = source

    @property
    def offset(self) -> int:
        """Where reading stands, in bytes from the start of the uncompressed source."""
        return self.base + self.at

    @property
    def held(self) -> int:
        """How many unread bytes are here."""
        return len(self.data) - self.at

    def fill(self) -> bool:
        """Add the next chunk. Returns False at the end of the source."""
        chunk = b"" if self.ended else self._source.read()
        if not chunk:
            self.ended = True
            return False
        if self.base == 0 and not self.data:
            self.base = self._source.mark
        self.data = self.data[self.at :] + chunk
        self.base += self.at
        self.at = 0
        self.suspicious = suspicious(self.data)
        return True

    def peek(self) -> int:
        """Pass over white space; return the next byte, or -1 at the end."""
        while True:
            self.at = _SPACE.match(self.data, self.at).end()  # type: ignore[union-attr]  # matches the empty text
            if self.at < len(self.data):
                return self.data[self.at]
            if not self.fill():
                return -1

    def small_value(self) -> Any:
        """Take the JSON value that starts here. Raises ValueError when there is none of at most 64 KiB."""
        while True:
            end = self.value_end()
            if end > 0:
                value = orjson.loads(self.data[self.at : end])
                self.at = end
                return value
            if self.held > _SMALL_BYTES or not self.fill():
                raise ValueError("no whole value")

    def value_end(self) -> int:
        """Return where the JSON value that starts here ends in `data`, or -1."""
        if not self.held:
            return -1
        mark = self.data[self.at]
        if mark in (OPEN, OPEN_LIST):
            return self.nested_end(self.at)
        match = (_STRING if mark == QUOTE else _WORD).match(self.data, self.at)
        return match.end() if match else -1

    def nested_end(self, start: int) -> int:
        """Return where the object or list at `start` ends, reading token by token; -1 when `data` ends before."""
        depth = 0
        data = self.data
        for token in _TOKEN.finditer(data, start):
            mark = data[token.start()]
            if mark in (OPEN, OPEN_LIST):
                depth += 1
            elif mark != QUOTE:
                depth -= 1
                if depth == 0:
                    return token.end()
        return -1

    def skip_nested(self) -> int:
        """Pass over the object or list that starts here, holding one chunk at a time. Returns its size in bytes."""
        depth, quoted, size = 0, False, 0
        while True:
            end, depth, quoted = _follow(self.data, self.at, depth, quoted)
            size += end - self.at
            self.at = end
            if (depth == 0 and not quoted) or not self.fill():
                return size


def _follow(data: bytes, start: int, depth: int, quoted: bool) -> tuple[int, int, bool]:
    """Follow nesting through a part of a value. Returns where it stopped, the depth there, and whether in a string."""
    # Taking out what is no mark, and then strings that hold none, leaves the state at every other mark as it was.
    marks = data[start:].translate(None, _NO_MARKS)
    if b"\\" not in marks and b'"' not in (marks := marks.replace(b'""', b"")):
        closed = marks.count(b"}") + marks.count(b"]")
        if quoted:
            return len(data), depth, True
        if depth > closed:
            return len(data), depth + len(marks) - 2 * closed, False
    last = start
    for token in _LOOSE.finditer(data, start):
        last = token.end()
        mark = data[token.start()]
        if mark == QUOTE:
            quoted = not quoted
        elif quoted or mark not in (OPEN, CLOSE, OPEN_LIST, CLOSE_LIST):
            continue
        elif mark in (OPEN, OPEN_LIST):
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return token.end(), 0, False
    # A backslash that ends the data belongs to what comes next, unless it is itself escaped.
    return len(data) - (1 if last < len(data) and data.endswith(b"\\") else 0), depth, quoted
