"""What stands around the objects of a STIX bundle (or TAXII 2.1 envelope)."""

from typing import Any

from apps.connectors.errors import UnreadableSource
from apps.connectors.readers.window import CLOSE, COLON, COMMA, OPEN, OPEN_LIST, Window

MEND = 'Send {"type": "bundle", "id": "bundle--…", "objects": […]}.'


def read_head(window: Window) -> bool:
    """Go to the first element of `objects`. Returns False for a bundle without any.

    Raises UnreadableSource when this is no bundle of STIX 2.0 or 2.1.
    """
    if window.peek() != OPEN:
        raise _refusal("the source is empty" if not window.held else "the source does not start with an object")
    window.at += 1
    fields: dict[str, Any] = {}
    try:
        while (mark := window.peek()) != CLOSE:
            if mark == COMMA:
                window.at += 1
                window.peek()
            name = window.small_value()
            if window.peek() != COLON:
                raise ValueError(f"no colon after {name!r}")
            window.at += 1
            if name == "objects" and window.peek() == OPEN_LIST:
                window.at += 1
                _check(fields)
                return True
            window.peek()
            fields[str(name)] = window.small_value()
    except ValueError as error:
        raise _refusal(f"its head is not JSON near byte {window.offset}") from error
    _check(fields)
    if fields.get("type") != "bundle":
        raise _refusal("the object has no field 'objects'")
    return False


def read_tail(window: Window) -> tuple[str, str, str] | None:
    """Check what follows the list of objects. Returns code, message and mend of what is wrong, or None."""
    try:
        while (mark := window.peek()) != CLOSE:
            if mark != COMMA:
                raise ValueError("neither comma nor brace")
            window.at += 1
            window.peek()
            window.small_value()
            if window.peek() != COLON:
                raise ValueError("no colon")
            window.at += 1
            window.peek()
            window.small_value()
    except ValueError:
        return "TRUNCATED", "the bundle is not closed as it should be after 'objects'", "Send the whole file again."
    window.at += 1
    if window.peek() >= 0:
        return "TRAILING_DATA", "more text follows the end of the bundle", "Send one bundle per file."
    return None


def _check(fields: dict[str, Any]) -> None:
    kind = fields.get("type", "bundle")
    if kind != "bundle":
        raise _refusal(f"the top level is an object of type {str(kind)[:40]!r}")
    version = str(fields.get("spec_version", "2.0"))
    if not version.startswith("2."):
        raise UnreadableSource(
            "UNSUPPORTED_VERSION", f"the bundle says STIX {version[:20]}", mend="Send STIX 2.0 or 2.1."
        )


def _refusal(why: str) -> UnreadableSource:
    return UnreadableSource("NOT_A_BUNDLE", f"this is no STIX bundle: {why}", mend=MEND)
