"""Templates such as `{firstName} {lastName}`: text with columns in braces; `{{` and `}}` are braces themselves."""

import re

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


class TemplateError(ValueError):
    """A template has a brace without its other half, or an empty column."""


def parse(text: str) -> list[tuple[bool, str]]:
    """Return the pieces of a template as (is column, text). Raises TemplateError."""
    pieces: list[tuple[bool, str]] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if match[1] is not None:
            if not match[1].strip():
                raise TemplateError(f"{text!r} has empty braces")
            pieces.append((True, match[1].strip()))
        elif piece in ("{{", "}}"):
            pieces.append((False, piece[0]))
        elif piece in ("{", "}"):
            raise TemplateError(f"{text!r} has a single {piece!r}")
        else:
            pieces.append((False, piece))
    return pieces


def columns_of(text: str) -> list[str]:
    """Return the columns that a template names. Raises TemplateError."""
    return [piece for is_column, piece in parse(text) if is_column]
