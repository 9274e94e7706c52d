"""Arguments that any well-typed document may carry, read kindly: what means nothing finds nothing and is said.

A document that fits the schema never fails for the value of an id, a page size or a cursor: ids that are none find
nothing, sizes are brought into range, cursors that are none give an empty page with `errors`. What was read otherwise
than written is told in `extensions.warnings`. Filters are the exception: a wrong one would widen an answer.
"""

from uuid import UUID

from apps.core.ids import parse_id
from apps.gateway.call import Call


def bounded(call: Call, name: str, given: int | None, default: int, least: int, most: int) -> int:
    """Return a number brought into `least` to `most`; null is the default."""
    if given is None:
        return default
    taken = min(max(given, least), most)
    if taken != given:
        call.warn(name, f"{name} was {given}; it is taken as {taken} (from {least} to {most})")
    return taken


def identifier(call: Call, name: str, given: str) -> UUID | None:
    """Return the id that a text spells, or None: then nothing can be found."""
    found = parse_id(given)
    if found is None:
        call.warn(name, f"{name} is not an id of this system; nothing has it")
    return found


def word(call: Call, name: str, given: str | None, longest: int = 1_000) -> str | None:
    """Return a text to compare with, or None for one that nothing can be equal to (NUL, or longer than any)."""
    if given is None:
        return None
    if "\x00" in given or len(given) > longest:
        call.warn(name, f"{name} holds U+0000 or is longer than {longest} characters; nothing is equal to it")
        return None
    return given


def words(call: Call, name: str, given: list[str] | None, longest: int = 100) -> list[str] | None:
    """Return the texts that something can be equal to; null stays null (all)."""
    if given is None:
        return None
    return [text for text in (word(call, name, each, longest) for each in given) if text is not None]
