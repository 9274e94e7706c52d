"""A plan of work: which reader and which mapper a mapping document needs."""

from typing import Any, Protocol

from apps.connectors.mapping.compiler import Mapped, TableMapper
from apps.connectors.mapping.stix import StixMapper
from apps.connectors.readers.bundle import BundleReader
from apps.connectors.readers.delimited import Delimited, DelimitedReader
from apps.connectors.readers.jsonl import JsonlReader
from apps.connectors.types import START, Block, Format, Limits, Opener, Position, Reader


class Mapper(Protocol):
    """Turns blocks of rows into inputs of the graph."""

    has_entities: bool
    has_edges: bool
    acyclic_kinds: frozenset[str]

    def entities(self, block: Block) -> Mapped:
        """Return the entities of a block, and the errors of rows that cannot be entities."""
        ...

    def edges(self, block: Block) -> Mapped:
        """Return the edges of a block, and the errors of rows that cannot be edges."""
        ...


def open_reader(document: dict[str, Any], opener: Opener, limits: Limits, start: Position = START) -> Reader:
    """Return a reader of the source that goes on at `start`. Raises UnreadableSource when the source is none such."""
    form = Format(document["format"])
    if form is Format.JSONL:
        return JsonlReader(opener, limits, start)
    if form is Format.STIX:
        return BundleReader(opener, limits, start)
    return DelimitedReader(opener, delimited_options(document), limits, start)


def open_mapper(document: dict[str, Any], reader: Reader) -> Mapper:
    """Return the mapper of a document. Raises UnreadableSource when the source lacks a column that it needs."""
    if document["format"] == Format.STIX:
        return StixMapper(document)
    return TableMapper(document, reader.columns, reader.types)


def delimited_options(document: dict[str, Any]) -> Delimited:
    """Return how a mapping's delimited text is written."""
    options = document.get("options", {})
    header = options.get("header", "plain")
    return Delimited(
        delimiter=options.get("delimiter", ","),
        quote=options.get("quote", '"'),
        encoding=options.get("encoding", "utf-8"),
        header=tuple(header) if isinstance(header, list) else header,
    )
