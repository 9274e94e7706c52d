"""Errors of the ledger."""

from apps.core.errors import IgError, NotFound


class LedgerEncodingError(IgError):
    """A value cannot stand in a record; the message names its path. A programming error, never the caller's."""


class LedgerBroken(IgError):
    """Rows of a ledger do not fit their hashes; the message names the record. Nothing is signed over them."""


class NotProvable(NotFound):
    """The record, its item or a checkpoint over it does not exist, or not yet."""


class NotSequencer(RuntimeError):
    """Another process is the sequencer, or this one lost its connection."""
