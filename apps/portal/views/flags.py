"""The flags that apply to a tenant, to read: what each is here, who owns it, until when."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.core.context import Context
from apps.flags import selectors
from apps.flags.types import FlagView, Reason, State
from apps.portal import door
from apps.portal.types import Badge, Tone

WHY = {
    Reason.STATIC: "the same for everyone",
    Reason.DEFAULT: "no rule fits",
    Reason.TARGETING_MATCH: "a rule fits",
    Reason.SPLIT: "a share of all",
    Reason.DISABLED: "its kill switch is thrown",
    Reason.ERROR: "it depends on who asks",
}


def _state(ctx: Context, flag: FlagView) -> Badge:
    expires = flag.definition.expires
    if flag.state is State.KILLED:
        return Badge("killed", Tone.DANGER, "ban")
    if expires is not None and expires < ctx.now.date():
        return Badge("expired", Tone.WARN, "clock")
    return Badge("live", Tone.OK, "circle-check")


def _value(flag: FlagView) -> str:
    value = flag.evaluation.value
    if flag.evaluation.error is not None:
        return "–"
    if isinstance(value, dict):
        return f"{flag.evaluation.variant} ({len(value)} fields)"
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


@require_safe
@door.tenant_page("flags.flag.read", "flags")
def flags(request: HttpRequest, ctx: Context) -> HttpResponse:
    """The flags, by key."""
    found = [(flag, _state(ctx, flag), _value(flag), WHY[flag.evaluation.reason]) for flag in selectors.flags_for(ctx)]
    return render(request, "portal/flags.html", {"flags": found, "slug": ctx.tenant_slug})
