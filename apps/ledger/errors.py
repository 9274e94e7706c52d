"""Errors of the ledger."""

from apps.core.errors import IgError


class LedgerEncodingError(IgError):
    """A value cannot stand in a record; the message names its path. A programming error, never the caller's."""


class NotSequencer(RuntimeError):
    """Another process is the sequencer, or this one lost its connection."""
