"""Longer texts that came with the data: paragraphs, links and citations told apart, everything else left as text. Pure.

Sources such as STIX bundles write `[words](https://…)` and `(Citation: name)`. Only http and https become links.
"""

import re
from dataclasses import dataclass

_MARK = re.compile(r"\[([^\[\]\n]{1,300})\]\((https?://[^\s()<>\"]{1,2000})\)|\(Citation: ([^()\n]{1,200})\)")


_TARGET = re.compile(r"\]\(https?:[^)\s]*\)?")
_CITED = re.compile(r"\s?\(Citation:[^()]*\)?")
_LEFTOVERS = re.compile(r"[\[\]]")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text: plain, a link (`href`), or the name of a cited source and its number (`cited`, else 0)."""

    text: str
    href: str = ""
    cited: int = 0


def snippet(text: str, name: str) -> tuple[tuple[str, bool], ...]:
    """Return a search snippet as stretches, and whether each is what was searched for (between STX and ETX).

    Link targets, citations and a repetition of the name at the start are left out.
    """
    plain = _LEFTOVERS.sub("", _CITED.sub("", _TARGET.sub("", text)))
    bare = plain.replace("\x02", "").replace("\x03", "")
    if name and bare.startswith(name):
        at, seen = 0, 0
        while seen < len(name):
            seen += plain[at] not in "\x02\x03"
            at += 1
        plain = plain[at:].lstrip("\x03 ·")
    parts: list[tuple[str, bool]] = []
    for piece in plain.split("\x02"):
        on, separator, off = piece.partition("\x03")
        parts += [(on, True), (off, False)] if separator else [(piece, False)]
    return tuple(part for part in parts if part[0])


def paragraphs(text: str) -> tuple[tuple[Part, ...], ...]:
    """Return the text as paragraphs of parts; blank lines part paragraphs."""
    blocks = (block.strip() for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n")))
    sources: dict[str, int] = {}
    return tuple(_parts(block, sources) for block in blocks if block)


def _parts(block: str, sources: dict[str, int]) -> tuple[Part, ...]:
    found: list[Part] = []
    at = 0
    for mark in _MARK.finditer(block):
        if mark.start() > at:
            found.append(Part(block[at : mark.start()]))
        words, href, source = mark.groups()
        if source:
            found.append(Part(source, cited=sources.setdefault(source, len(sources) + 1)))
        else:
            found.append(Part(words, href=href))
        at = mark.end()
    if at < len(block):
        found.append(Part(block[at:]))
    return tuple(found)
