"""Template tags of the components: icons, times, figures, and blocks that wrap what stands inside them."""

from datetime import datetime
from typing import Any

from django import template
from django.forms import BoundField
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.safestring import SafeString

from apps.portal import figures, icons, sparklines, vendored
from apps.portal.types import Code, Proof, Provenance, Withheld

register = template.Library()

NONE = "\N{EN DASH}"


@register.simple_tag
def icon(name: str, label: str = "", extra: str = "") -> SafeString:
    """Draw an icon. Without `label` it is decoration and hidden from screen readers."""
    return icons.drawn(name, label, extra)


@register.simple_tag
def vendor(name: str, path: str) -> str:
    """Return the address of a vendored file; its version comes from the table of checksums."""
    return static(f"vendor/{vendored.library(icons.VENDOR, name).folder}/{path}")


@register.inclusion_tag("components/time.html")
def time(moment: datetime | None, now: datetime | None = None) -> dict[str, Any]:
    """Draw a moment: relative to read, absolute (UTC) on hover and when copied."""
    if moment is None:
        return {"moment": None}
    return {
        "moment": moment,
        "iso": moment.isoformat(timespec="milliseconds"),
        "absolute": figures.absolute(moment),
        "relative": figures.age(moment, now or timezone.now()),
    }


@register.filter
def grouped(value: float | None) -> str:
    """Return a number with grouped thousands, or a dash for none."""
    return NONE if value is None else figures.grouped(value)


@register.filter
def size(value: float | None) -> str:
    """Return a size in bytes as people read it, or a dash for none."""
    return NONE if value is None else figures.size(value)


@register.simple_tag
def plural(count: int, one: str, many: str = "") -> str:
    """Return the count with the right word."""
    return figures.plural(count, one, many)


@register.filter
def spark(points: tuple[float, ...]) -> sparklines.Spark | None:
    """Return the paths of a sparkline, or None when there are too few samples."""
    return sparklines.draw(points)


@register.inclusion_tag("components/proof_chip.html", takes_context=True)
def proof_chip(context: template.Context, proof: Proof | None, link: bool = False) -> dict[str, Any]:
    """Draw a proof chip; with `link` it leads to the record's page instead of opening beside itself."""
    return {"proof": proof, "link": link, "id": _next_id(context, "proof"), "request": context.get("request")}


@register.inclusion_tag("components/withheld.html", takes_context=True)
def withheld(context: template.Context, mark: Withheld) -> dict[str, Any]:
    """Draw the mark of what this reader does not see."""
    return {"mark": mark, "id": _next_id(context, "withheld")}


@register.inclusion_tag("components/provenance.html", takes_context=True)
def provenance(context: template.Context, origin: Provenance) -> dict[str, Any]:
    """Draw where a fact comes from."""
    return {"origin": origin, "id": _next_id(context, "origin")}


@register.inclusion_tag("components/code.html", takes_context=True)
def code(context: template.Context, variants: str | tuple[Code, ...], title: str = "") -> dict[str, Any]:
    """Draw a code block: a text, or variants with language tabs."""
    return {"variants": variants, "title": title, "id": _next_id(context, "code")}


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, unit: str = "", optional: bool = False) -> dict[str, Any]:
    """Draw a form field with label, help, error and unit, wired for screen readers."""
    shape = "check" if bound.widget_type == "checkbox" else "input"
    attrs: dict[str, str | bool] = {
        "class": "" if shape == "check" else f"input {bound.field.widget.attrs.get('class', '')}".strip()
    }
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attrs if attrs["class"] else None),
        "shape": shape,
        "unit": unit,
        "optional": optional,
    }


@register.simple_block_tag(takes_context=True)
def card(
    context: template.Context,
    content: str,
    title: str = "",
    note: str = "",
    id: str = "",
    level: int = 2,
    flush: bool = False,
) -> str:
    """Wrap content in a card. `flush` lets it reach the card's edges."""
    return render_to_string(
        "components/card.html",
        {"content": content, "title": title, "note": note, "id": id, "heading": f"h{level}", "flush": flush},
    )


@register.simple_block_tag(takes_context=True)
def dialog(
    context: template.Context,
    content: str,
    id: str,
    title: str,
    confirm: str,
    action: str,
    undoable: bool = False,
    type_name: str = "",
) -> str:
    """Wrap the consequences of an act in a dialog that posts to `action`; `type_name` must be typed to confirm."""
    return render_to_string(
        "components/dialog.html",
        {
            "content": content,
            "id": id,
            "title": title,
            "confirm": confirm,
            "action": action,
            "undoable": undoable,
            "type_name": type_name,
            "csrf_token": context.get("csrf_token"),
        },
    )


@register.simple_block_tag
def notice(content: str, tone: str = "info", title: str = "") -> str:
    """Wrap a message that belongs to the page: what happened or what to know, and the next step."""
    return render_to_string("components/notice.html", {"content": content, "tone": tone, "title": title})


def _next_id(context: template.Context, word: str) -> str:
    """Return an id that is unique on the page. Counts in the root of the context, which all includes share."""
    request = context.get("request")
    holder = request.__dict__ if request is not None else context.dicts[0]
    counter = holder.setdefault("_ui_ids", {})
    counter[word] = counter.get(word, 0) + 1
    return f"{word}-{counter[word]}"
