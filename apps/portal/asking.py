"""Why somebody is asked for a second factor: from the refusal (RFC 9470's challenge) into an address, and into words.

The address carries names only, of which this room knows the sentences: whoever makes up an address can choose among
them, and not put in any of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from apps.core.errors import IgError
from apps.core.sockets import ACTIONS


@dataclass(frozen=True, slots=True)
class Reason:
    """What asks for the second factor, why, and what to do when one did not expect it."""

    asks: str
    text: str
    otherwise: str = ""


STAY = "If you do not recognise this, do not confirm: sign out, and tell an admin of your tenant."
SIGNALS: dict[str, Reason] = {
    "session": Reason(
        "The risk of this session",
        "The network that brought you here rates this session’s risk as medium, as it does for a place or a device "
        "that is new. It does not tell us what it saw.",
        STAY,
    ),
    "provider": Reason(
        "Your identity provider",
        "It signalled that the risk of your account is medium. It does not tell us what it saw.",
        STAY,
    ),
    "travel": Reason(
        "The place of this session",
        "Your account was just used in two countries, and nobody travels between them so fast. A second factor that you "
        "gave before no longer counts.",
        STAY,
    ),
    "factor": Reason(
        "Your identity provider",
        "It asked us to check that it is still you. A second factor that you gave before no longer counts.",
        STAY,
    ),
}
"""By whose word the session is to be confirmed (`source` of the challenge)."""
ACCOUNT = Reason(
    "A change to how you sign in",
    "Passwords, passkeys, authenticator apps and recovery codes open your account, so changing them needs a second "
    "factor from the last 15 minutes.",
)
STAFF = Reason(
    "The admin", "It reaches over all tenants, so it opens to staff who gave a second factor in this session."
)
OTHERWISE = Reason(
    "What you asked for", "What you are about to open or do needs a second factor from the last 15 minutes."
)


def names_of(error: IgError | None) -> dict[str, str]:
    """Return what an address says of a challenge: `why`, the action that asked, the decision on record."""
    if error is None:
        return {}
    said = {
        "why": "signal" if error.details.get("signal") else "action" if error.details.get("action") else "account",
        "source": error.details.get("source"),
        "action": error.details.get("action"),
        "decision": error.details.get("decision"),
    }
    return {name: str(value) for name, value in said.items() if value}


def reason_of(names: Mapping[str, str], target: str) -> Reason:
    """Return the reason that an address names; `target` is where its reader goes next."""
    why = names.get("why", "")
    if why == "signal":
        return SIGNALS.get(names.get("source", ""), SIGNALS["session"])
    if why == "action" and names.get("action", "") in ACTIONS:
        about = ACTIONS.get(names["action"]).about
        return Reason("What you are about to do", f"To {about}, you need a second factor from the last 15 minutes.")
    if why == "account":
        return ACCOUNT
    return STAFF if target.startswith("/admin/") else OTHERWISE


def decision_of(names: Mapping[str, str]) -> str:
    """Return the id of the decision that an address names, empty when it is none."""
    try:
        return str(UUID(names.get("decision", "")))
    except ValueError:
        return ""
