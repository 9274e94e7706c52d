"""The file in a request: the body itself, or one part of a multipart form, as it comes from the network."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import RequestAborted
from django.db import connections
from django.http import HttpRequest
from django.http.multipartparser import (
    FILE,
    RAW,
    ChunkIter,
    InputStreamExhausted,
    LazyStream,
    MultiPartParserError,
    Parser,
)
from django.utils.http import parse_header_parameters

from apps.core.errors import InvalidInput, UnsupportedMedia

CHUNK_BYTES = 64 * 1024
ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip"})
MULTIPART = "multipart/form-data"
FORMATS = {
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/x-jsonlines": "jsonl",
    "application/stix+json": "stix",
    "application/json": "stix",
}
"""Content types that say the format; the others that are taken leave it to `?format=` or to the mapping."""
OTHERS = frozenset({"", "application/octet-stream", "application/gzip", "application/x-gzip", "text/plain", MULTIPART})


def content_type_of(request: HttpRequest) -> tuple[str, dict[str, str]]:
    """Return the media type in lower case and its parameters."""
    name, parameters = parse_header_parameters(request.headers.get("content-type", ""))
    return name.lower(), parameters


def check(request: HttpRequest) -> str:
    """Return the format that the content type says, or an empty text. Raises UnsupportedMedia for what is not taken."""
    name, _ = content_type_of(request)
    if name not in FORMATS and name not in OTHERS:
        taken = ", ".join(sorted({*FORMATS, *OTHERS} - {""}))
        raise UnsupportedMedia(
            f"a source is not taken as {name[:100]!r}", field="Content-Type", mend=f"Send one of {taken}."
        )
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ENCODINGS:
        raise UnsupportedMedia(
            f"the content encoding {encoding[:40]!r} is not taken",
            field="Content-Encoding",
            mend="Send it plain or as gzip.",
        )
    return FORMATS.get(name, "")


def content(request: HttpRequest) -> Iterator[bytes]:
    """Yield the file in parts. Raises InvalidInput for a form that is broken or has not exactly one file, RequestAborted.

    The request's database connections go back to their pools first: a slow sender must not hold one.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
    name, parameters = content_type_of(request)
    if name == MULTIPART:
        yield from _form_file(request, parameters.get("boundary", ""))
        return
    while part := request.read(CHUNK_BYTES):
        yield part


def _form_file(request: HttpRequest, boundary: str) -> Iterator[bytes]:
    if not boundary or len(boundary) > 200 or not boundary.isascii():
        raise InvalidInput(
            "the form has no boundary", field="Content-Type", mend="Send multipart/form-data with its boundary."
        )
    found = False
    try:
        stream = LazyStream(ChunkIter(request, CHUNK_BYTES))  # type: ignore[arg-type]  # it only reads
        for kind, facts, part in Parser(stream, boundary.encode("ascii")):
            if kind == RAW:
                continue
            if kind != FILE:
                raise InvalidInput(
                    f"the form has a field {_name(facts)!r} that is not known here",
                    field=_name(facts),
                    mend="Send one file as 'file'.",
                )
            if found or _name(facts) != "file":
                raise InvalidInput("the form needs exactly one file, named 'file'", field=_name(facts))
            found = True
            for piece in part:
                yield bytes(piece)
    except (MultiPartParserError, InputStreamExhausted) as error:
        raise InvalidInput("the form cannot be read", field="body", mend="Send multipart/form-data.") from error
    if not found:
        raise InvalidInput("the form has no file", field="file", mend="Send the file as the part 'file'.")


def _name(facts: Any) -> str:
    try:
        name = facts["content-disposition"][1]["name"]
        return (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name))[:60]
    except (KeyError, IndexError, TypeError):
        return ""


def leave(request: HttpRequest, *, limit_bytes: int = 1 << 20, timeout_s: float = 1.0) -> bool:
    """Read and drop what is left of an upload that is refused, within bounds; return whether it has ended.

    When it has not, the answer should close the connection.
    """
    stream = getattr(request, "_stream", None)
    drain = getattr(stream, "drain", None)
    if drain is None:
        return True
    if request.headers.get("expect"):
        return False  # the client waits for our word before it sends
    try:
        return bool(drain(limit_bytes, timeout_s))
    except RequestAborted:
        return True
