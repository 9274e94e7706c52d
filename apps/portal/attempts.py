"""Attempts to sign in and browsers, in words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.identity.types import Outcome, SignInInfo
from apps.portal.types import Badge, Tone

BADGES: dict[Outcome, Badge] = {
    Outcome.SIGNED_IN: Badge("signed in", Tone.OK, "log-in"),
    Outcome.CONFIRMED: Badge("confirmed", Tone.OK, "shield-check"),
    Outcome.REFUSED: Badge("refused", Tone.WARN, "ban"),
    Outcome.LOCKED: Badge("closed", Tone.DANGER, "lock"),
    Outcome.CHANGED: Badge("password changed", Tone.INFO, "key-round"),
}
REASONS: dict[str, str] = {
    "credentials": "wrong password",
    "current password": "wrong password, when it was to be changed",
    "code": "wrong code",
    "locked": "too many failures before",
    "ceremony": "the passkey’s answer came late or twice",
    "unknown credential": "a passkey of another account",
}
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Firefox/", "Firefox"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """An attempt as a page shows it."""

    attempt: SignInInfo
    badge: Badge
    why: str
    browser: str


def browser_of(agent: str) -> str:
    """Return browser and system in words, such as `Firefox on Windows`. What browsers say of themselves is no proof."""
    browser = next((word for mark, word in _BROWSERS if mark in agent), "")
    system = next((word for mark, word in _SYSTEMS if mark in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or (agent[:40] if agent else "unknown")


def lines(attempts: Iterable[SignInInfo]) -> list[Line]:
    """Return attempts as pages show them."""
    return [
        Line(
            one,
            BADGES[one.outcome],
            "" if one.outcome not in {Outcome.REFUSED, Outcome.LOCKED} else REASONS.get(one.reason, "not accepted"),
            browser_of(one.agent),
        )
        for one in attempts
    ]
