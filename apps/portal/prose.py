"""Longer texts that came with the data: paragraphs, links and citations told apart, everything else left as text. Pure.

Sources such as STIX bundles write `[words](https://…)` and `(Citation: name)`. Only http and https become links.
"""

import re
from dataclasses import dataclass

_MARK = re.compile(r"\[([^\[\]\n]{1,300})\]\((https?://[^\s()<>\"]{1,2000})\)|\(Citation: ([^()\n]{1,200})\)")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text: plain, a link (`href`), or the name of a cited source and its number (`cited`, else 0)."""

    text: str
    href: str = ""
    cited: int = 0


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
