"""Refusals that are policy's own."""


class EventRefused(Exception):
    """A security event token that is not taken: `err` is a code of RFC 8935 section 2.4."""

    def __init__(self, err: str, description: str) -> None:
        super().__init__(description)
        self.err, self.description = err, description
