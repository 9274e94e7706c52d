"""Bytes of a source, whatever it is packed in: gzip undone under guard, byte order mark dropped, UTF-16 made UTF-8.

Formats: gzip is RFC 1952 (also several members one after another, as `cat a.gz b.gz` makes).
"""

import codecs
import zlib
from collections.abc import Iterable, Iterator

from apps.connectors.errors import UnreadableSource
from apps.connectors.types import Limits

CHUNK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
BOM_8 = codecs.BOM_UTF8
BOMS_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
TRANSCODED = frozenset({"utf-16", "utf-16-le", "utf-16-be"})
"""Encodings whose line ends are not the byte 0x0A; they are turned into UTF-8 before lines are looked for."""


class ByteSource:
    """A stream of uncompressed chunks of at most `CHUNK_BYTES`.

    `offset` counts uncompressed bytes handed out (and skipped), `raw_bytes` bytes taken from the transport; `mark` is
    the length of a byte order mark that was dropped.
    """

    def __init__(self, chunks: Iterable[bytes], limits: Limits, *, encoding: str = "utf-8", skip: int = 0) -> None:
        self.raw_bytes = 0
        self.offset = 0
        self.mark = 0
        self._limits = limits
        self._encoding = encoding
        self._stream = self._unpacked(self._raw(chunks))
        if encoding in TRANSCODED:
            self._stream = self._transcoded(self._stream)
        self._skip = skip

    def read(self) -> bytes:
        """Return the next chunk, or b"" at the end.

        Raises UnreadableSource for a damaged or cut gzip stream, for a stream that unpacks beyond its bounds, and for
        another encoding than the stated one where its mark says so.
        """
        for chunk in self._stream:
            first = self.offset == 0
            self.offset += len(chunk)
            if first:
                chunk = self._unmarked(chunk)
            if self._skip >= self.offset:
                continue
            if self._skip > self.offset - len(chunk):
                chunk = chunk[len(chunk) - (self.offset - self._skip) :]
            if chunk:
                return chunk
        return b""

    def _raw(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.raw_bytes += len(chunk)
            view = memoryview(chunk)
            for start in range(0, len(view), CHUNK_BYTES):
                yield bytes(view[start : start + CHUNK_BYTES]) if len(view) > CHUNK_BYTES else bytes(chunk)

    def _unpacked(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        head = b""
        for chunk in raw:
            head += chunk
            if len(head) >= len(GZIP_MAGIC):
                break
        if head.startswith(GZIP_MAGIC):
            yield from self._gunzipped(head, raw)
            return
        total = 0
        while head:
            total += len(head)
            self._check_size(total)
            yield head
            head = next(raw, b"")

    def _gunzipped(self, data: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
        total = 0
        member = zlib.decompressobj(wbits=31)
        while True:
            try:
                out = member.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise UnreadableSource(
                    "DAMAGED_GZIP",
                    f"the gzip stream is damaged after {total} bytes ({error})",
                    mend="Compress and send the file again.",
                ) from error
            total += len(out)
            self._check_size(total)
            if total > self._limits.ratio_grace_bytes and total > self.raw_bytes * self._limits.max_ratio:
                raise UnreadableSource(
                    "DECOMPRESSION_BOMB",
                    f"{self.raw_bytes} bytes of gzip unpack to {total} bytes or more, over 1:{self._limits.max_ratio}",
                    mend="Send the file uncompressed, or in parts.",
                )
            if out:
                yield out
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data
                while not data.strip(b"\0"):  # padding between and after members
                    data = next(raw, b"")
                    if not data:
                        return
                data = data.lstrip(b"\0")
                member = zlib.decompressobj(wbits=31)
            elif not data:
                data = next(raw, b"")
                if not data:
                    raise UnreadableSource(
                        "TRUNCATED_GZIP",
                        f"the gzip stream ends too early, after {total} bytes",
                        mend="Send the whole file again.",
                    )

    def _check_size(self, total: int) -> None:
        if total > self._limits.max_bytes:
            raise UnreadableSource(
                "SOURCE_TOO_LARGE",
                f"the source is larger than {self._limits.max_bytes} bytes",
                mend="Send it in parts.",
            )

    def _transcoded(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self._encoding)(errors="strict")
        try:
            for chunk in stream:
                text = decoder.decode(chunk)
                if text:
                    yield from _sliced(text.encode("utf-8", "surrogatepass"))
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise UnreadableSource(
                "WRONG_ENCODING",
                f"the source is not {self._encoding}: {error.reason}",
                mend="State the encoding in the mapping's options.",
            ) from error

    def _unmarked(self, chunk: bytes) -> bytes:
        if chunk.startswith(BOM_8):
            self.mark = len(BOM_8)
            return chunk[len(BOM_8) :]
        if chunk.startswith(BOMS_16) and self._encoding not in TRANSCODED:
            raise UnreadableSource(
                "WRONG_ENCODING",
                f"the source starts with the mark of UTF-16, not {self._encoding}",
                mend="Set options.encoding to utf-16, or save the file as UTF-8.",
            )
        return chunk


def _sliced(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]
