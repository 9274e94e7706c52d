"""Delimited text (CSV and kin, RFC 4180) with any one-character delimiter and quote, and typed headers.

A typed header is the one of graph loaders (neo4j-admin, Kùzu, LDBC): `id:ID(Person)|name:STRING|:START_ID(Person)`.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.connectors.errors import UnreadableSource
from apps.connectors.readers.lines import LineReader, Lines
from apps.connectors.readers.source import ByteSource
from apps.connectors.types import START, Block, Limits, Opener, Position, RowError

_TYPED = re.compile(r"(?P<name>[^:]*):(?P<type>[A-Za-z_]+)(?:\((?P<space>[^()]*)\))?(?P<many>\[\])?$")
HEADER_TYPES = {
    "STRING": "string",
    "CHAR": "string",
    "ID": "string",
    "START_ID": "string",
    "END_ID": "string",
    "LABEL": "string",
    "TYPE": "string",
    "INT": "int",
    "LONG": "int",
    "SHORT": "int",
    "BYTE": "int",
    "INTEGER": "int",
    "FLOAT": "float",
    "DOUBLE": "float",
    "BOOLEAN": "bool",
    "BOOL": "bool",
    "DATE": "date",
    "DATETIME": "datetime",
}
"""Types of a typed header, and what they are here."""


@dataclass(frozen=True, slots=True)
class Delimited:
    """How the text is written. `header` is "plain", "typed", or the column names of a file that has no header."""

    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    header: str | tuple[str, ...] = "plain"


class DelimitedReader:
    """Reads records as lists of text, in the order of `columns`."""

    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def __init__(self, opener: Opener, options: Delimited, limits: Limits, start: Position = START) -> None:
        if csv.field_size_limit() < limits.max_row_bytes:
            csv.field_size_limit(limits.max_row_bytes)
        self._options = options
        self._limits = limits
        self._encoding = "utf-8" if options.encoding.startswith("utf-16") else options.encoding
        self._patience = 1
        self.source = ByteSource(opener(), limits, encoding=options.encoding)
        self._lines = LineReader(self.source, limits)
        self._read_header()
        if start.offset:
            self.source = ByteSource(opener(), limits, encoding=options.encoding, skip=start.offset)
            self._lines = LineReader(self.source, limits, start)

    def read(self, max_rows: int) -> Block | None:
        """Return the records of the next `max_rows` lines (a record may span several)."""
        while True:
            taken = self._lines.take(max_rows * self._patience, self._limits.block_bytes)
            if taken is None:
                return None
            block = self._records(taken)
            if block is not None:
                self._patience = 1
                return block
            self._patience *= 2  # one record spans all the lines taken: look at more of them

    def _read_header(self) -> None:
        header = self._options.header
        if isinstance(header, tuple):
            self.columns, self.types = header, ("",) * len(header)
            return
        block = self.read(1)
        while block is not None and block.rows in ([[""]], [[]]):
            block = self.read(1)
        if block is None or not block.rows:
            why = block.errors[0].message if block and block.errors else "the source is empty"
            raise UnreadableSource(
                "NO_HEADER",
                f"no header line: {why}",
                mend="Send a file with a header, or list the columns in options.header.",
            )
        names: list[str] = block.rows[0]
        if header == "typed":
            typed = [_typed(name) for name in names]
            self.columns = tuple(name for name, _ in typed)
            self.types = tuple(kind for _, kind in typed)
        else:
            self.columns = tuple(name.strip() for name in names)
            self.types = ("",) * len(names)
        if len(self.columns) > self._limits.max_columns:
            raise UnreadableSource(
                "TOO_MANY_COLUMNS",
                f"the header has {len(self.columns)} columns; at most {self._limits.max_columns} are taken",
                mend="Leave out columns that the mapping does not use.",
            )
        twice = {name for name in self.columns if self.columns.count(name) > 1}
        if twice:
            raise UnreadableSource(
                "DUPLICATE_COLUMN", f"the header names {min(twice)!r} twice", mend="Give each column its own name."
            )

    def _records(self, taken: Lines) -> Block | None:
        """Parse whole lines; give back those of a record that is not complete. None: not one record is complete."""
        numbers: list[int] = []
        block = Block([], numbers, self._lines.position, 0, list(taken.errors))
        first = taken.start.row + 1
        lines, places = self._decoded(taken, block)
        text = "".join(lines)
        if (self._options.quote is None or self._options.quote not in text) and "\r" not in text:
            rows = [line.split(self._options.delimiter) for line in lines]
            self._keep(rows, [first + place for place in places], taken, block, numbers)
            return block
        return self._quoted(lines, places, taken, block, numbers)

    def _quoted(
        self, lines: list[str], places: list[int], taken: Lines, block: Block, numbers: list[int]
    ) -> Block | None:
        first = taken.start.row + 1
        rows: list[list[str]] = []
        starts: list[int] = []
        at = 0
        while at < len(lines):
            reader = self._csv_reader(line + "\n" for line in lines[at:])
            begun = at
            try:
                for record in reader:
                    rows.append(record)
                    starts.append(first + places[begun])
                    begun = at + reader.line_num
                break
            except csv.Error as error:
                place = places[begun]
                cut = "unexpected end of data" in str(error)
                if cut and not self._lines.ended:
                    if begun == 0:
                        held = sum(taken.sizes)
                        if held <= self._limits.max_row_bytes:
                            self._lines.put_back(taken, 0)
                            return None
                    elif sum(taken.sizes[place:]) <= self._limits.max_row_bytes:
                        self._lines.put_back(taken, place)
                        block.end = self._lines.position
                        block.errors = [error for error in block.errors if error.row <= taken.start.row + place]
                        break
                block.errors.append(self._malformed(first + place, taken.offset_of(place), str(error), cut=cut))
                at = begun + 1
        self._keep(rows, starts, taken, block, numbers)
        return block

    def _csv_reader(self, lines: Iterator[str]) -> "csv._reader":  # type: ignore[name-defined]
        quote = self._options.quote
        if quote is None:
            return csv.reader(lines, delimiter=self._options.delimiter, quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, delimiter=self._options.delimiter, quotechar=quote, strict=True)

    def _decoded(self, taken: Lines, block: Block) -> tuple[list[str], list[int]]:
        """Return the lines as text, and the place of each; a line not in the stated encoding is an error."""
        whole = None not in taken.lines and not (
            taken.suspicious and any(b"\0" in line for line in taken.lines if line)
        )
        if whole:
            try:
                joined = b"\n".join(taken.lines).decode(self._encoding)  # type: ignore[arg-type]
                return joined.split("\n"), list(range(len(taken.lines)))
            except UnicodeDecodeError:
                pass  # looked at line by line below, so that only the wrong ones are refused
        lines: list[str] = []
        places: list[int] = []
        for place, line in enumerate(taken.lines):
            if line is None:
                continue
            row, offset = taken.start.row + place + 1, taken.offset_of(place)
            if b"\0" in line:
                block.errors.append(
                    RowError(
                        row,
                        "NUL_CHARACTER",
                        "the row holds a NUL byte",
                        "Remove it.",
                        offset=offset + line.index(b"\0"),
                    )
                )
            else:
                try:
                    lines.append(line.decode(self._encoding))
                    places.append(place)
                    continue
                except UnicodeDecodeError as wrong:
                    block.errors.append(
                        RowError(
                            row,
                            "WRONG_ENCODING",
                            f"byte {wrong.start + 1} of the row is not {self._encoding} (0x{line[wrong.start]:02x})",
                            "Save the file in that encoding, or state its own in options.encoding.",
                            offset=offset + wrong.start,
                        )
                    )
        return lines, places

    def _keep(self, rows: list[list[str]], starts: list[int], taken: Lines, block: Block, numbers: list[int]) -> None:
        """Put records with the right number of columns into the block; others become errors, blank lines nothing."""
        width = len(self.columns)
        if not width or (set(map(len, rows)) == {width} and (width != 1 or [""] not in rows)):
            block.rows = rows
            numbers.extend(starts)
        else:
            for record, row in zip(rows, starts, strict=True):
                if not record or record == [""]:
                    continue
                if len(record) == width:
                    block.rows.append(record)
                    numbers.append(row)
                else:
                    block.errors.append(self._wrong_width(row, taken.offset_of(row - 1 - taken.start.row), record))
        block.errors.sort(key=lambda error: error.row)
        block.read = len(block.rows) + len(block.errors)

    def _wrong_width(self, row: int, offset: int, record: list[str]) -> RowError:
        width = len(self.columns)
        missing = f"; the first one missing is {self.columns[len(record)]!r}" if len(record) < width else ""
        return RowError(
            row,
            "WRONG_COLUMNS",
            f"the row has {len(record)} columns, the header has {width}{missing}",
            f"Separate columns with {self._options.delimiter!r} and put quotes around values that hold it.",
            offset=offset,
        )

    def _malformed(self, row: int, offset: int, why: str, *, cut: bool) -> RowError:
        if cut:
            return RowError(
                row,
                "UNCLOSED_QUOTE",
                "a quote opened in this row is not closed",
                "Close it, or double quotes inside the value.",
                offset=offset,
            )
        return RowError(
            row,
            "MALFORMED_CSV",
            f"the row cannot be read: {why}",
            "Double each quote inside a quoted value.",
            offset=offset,
        )


def _typed(name: str) -> tuple[str, str]:
    """Return name and type of a typed header such as `birthday:LONG`; `:START_ID(Person)` is the column START_ID."""
    match = _TYPED.match(name.strip())
    if match is None:
        return name.strip(), ""
    kind = match["type"].upper()
    if kind not in HEADER_TYPES:
        raise UnreadableSource(
            "UNKNOWN_TYPE",
            f"the header {name!r} has the unknown type {match['type']!r}",
            mend=f"Use one of {', '.join(HEADER_TYPES)}.",
        )
    return match["name"] or kind, "list" if match["many"] else HEADER_TYPES[kind]
