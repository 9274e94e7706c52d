"""Icons as inline SVG: no further request, coloured by the text around them, allowed by the strictest policy."""

import re
from functools import cache
from pathlib import Path

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.portal import vendored

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
_BODY = re.compile(r"<svg\b[^>]*>(.*)</svg>", re.DOTALL)


class OwnMarkup(SafeString):
    """Markup from our own vendored files, whose checksums a test compares: safe as it stands."""


@cache
def body(name: str) -> SafeString:
    """Return what stands inside the icon's svg element. Raises LookupError when we carry no such icon.

    It is safe markup: it comes from our own vendored files, whose checksums a test compares.
    """
    entry = vendored.library(VENDOR, "lucide-static")
    path = f"icons/{name}.svg"
    if path not in entry.files:
        raise LookupError(f"there is no icon {name!r}")
    found = _BODY.search((VENDOR / entry.folder / path).read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"icon {name!r} holds no svg element")
    return OwnMarkup(" ".join(found.group(1).split()))


@cache
def drawn(name: str, label: str = "", extra: str = "") -> SafeString:
    """Return the icon as an svg element; `label` names it to screen readers, else it is hidden from them."""
    named = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="icon{}" viewBox="0 0 24 24" width="16" height="16" fill="none" stroke="currentColor"'
        ' stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {}>{}</svg>',
        f" {extra}" if extra else "",
        named,
        body(name),
    )
