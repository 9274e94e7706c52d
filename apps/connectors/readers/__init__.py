"""Readers: bytes to rows, in bounded memory, with an error for each row that cannot be read."""
