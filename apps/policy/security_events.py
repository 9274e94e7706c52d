"""Security event tokens (RFC 8417) of the Shared Signals Framework 1.0: what their events mean here. Pure.

CAEP 1.0: session-revoked, credential-change, assurance-level-change, device-compliance-change, risk-level-change.
RISC 1.0: account-disabled, account-enabled, account-purged, account-credential-change-required, credential-compromise,
sessions-revoked. Others are taken and say nothing (RFC 8935 section 2.2: a receiver may ignore what it does not use).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.policy.errors import EventRefused
from apps.policy.types import Risk, SignalKind

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"
MOST_EVENTS = 10
SKEW = timedelta(seconds=60)

Meaning = tuple[SignalKind, str]

_PLAIN: Mapping[str, Meaning] = {
    f"{CAEP}session-revoked": (SignalKind.SESSION, "ended"),
    f"{RISC}sessions-revoked": (SignalKind.SESSION, "ended"),
    f"{CAEP}credential-change": (SignalKind.FACTOR, "confirm"),
    f"{RISC}account-credential-change-required": (SignalKind.FACTOR, "confirm"),
    f"{RISC}credential-compromise": (SignalKind.SESSION, "ended"),
    f"{RISC}account-disabled": (SignalKind.ACCOUNT, "disabled"),
    f"{RISC}account-purged": (SignalKind.ACCOUNT, "disabled"),
    f"{RISC}account-enabled": (SignalKind.ACCOUNT, "open"),
}
_DEVICES = {"compliant": "trusted", "not-compliant": "untrusted"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an event is about (RFC 9493): an address, or an issuer's subject."""

    email: str = ""
    issuer: str = ""
    sub: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A token's events, as signals. `subject` is None when none of them is about somebody."""

    jti: str
    subject: Subject | None
    signals: tuple[tuple[SignalKind, str, datetime], ...]


def _meaning(kind: str, event: Mapping[str, Any]) -> Meaning | None:
    if kind == f"{CAEP}risk-level-change":
        level = str(event.get("current_level", "")).lower()
        if level not in {risk.value for risk in Risk}:
            raise EventRefused("invalid_request", "current_level must be LOW, MEDIUM or HIGH")
        return SignalKind.RISK, level
    if kind == f"{CAEP}device-compliance-change":
        status = event.get("current_status")
        if status not in _DEVICES:
            raise EventRefused("invalid_request", "current_status must be compliant or not-compliant")
        return SignalKind.DEVICE, _DEVICES[str(status)]
    if kind == f"{CAEP}assurance-level-change":
        return (SignalKind.FACTOR, "confirm") if event.get("change_direction") == "decrease" else None
    return _PLAIN.get(kind)


def _moment(event: Mapping[str, Any], issued: datetime) -> datetime:
    """Return when it happened: `event_timestamp` (CAEP; seconds), else when the token was made; never after that."""
    stamp = event.get("event_timestamp")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 < stamp < 1e11:
        return issued
    return min(datetime.fromtimestamp(stamp, UTC), issued)


def subject_of(claims: Mapping[str, Any], event: Mapping[str, Any]) -> Subject:
    """Return the subject (`sub_id` of the token, or `subject` of the event). Raises EventRefused for other formats."""
    named = claims.get("sub_id", event.get("subject"))
    if isinstance(named, Mapping) and named.get("format") == "complex":
        named = named.get("user")
    if not isinstance(named, Mapping):
        raise EventRefused("invalid_request", "the token names no subject (sub_id, RFC 9493)")
    email, issuer, sub = named.get("email"), named.get("iss"), named.get("sub")
    if named.get("format") == "email" and isinstance(email, str) and 3 <= len(email) <= 254:
        return Subject(email=email.strip().lower())
    if named.get("format") == "iss_sub" and isinstance(issuer, str) and isinstance(sub, str) and 0 < len(sub) <= 255:
        return Subject(issuer=issuer, sub=sub)
    raise EventRefused("invalid_request", "subjects are named by email or iss_sub")


def read(claims: Mapping[str, Any], now: datetime) -> Told:
    """Return what a verified token tells. Raises EventRefused for one that is not of the form."""
    jti, issued, events = claims.get("jti"), claims.get("iat"), claims.get("events")
    if not isinstance(jti, str) or not 0 < len(jti) <= 255:
        raise EventRefused("invalid_request", "the token has no jti")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or not 0 < issued < 1e11:
        raise EventRefused("invalid_request", "the token has no iat")
    made = datetime.fromtimestamp(issued, UTC)
    if made > now + SKEW:
        raise EventRefused("invalid_request", "the token is from the future")
    if not isinstance(events, Mapping) or not 0 < len(events) <= MOST_EVENTS:
        raise EventRefused("invalid_request", f"the token must carry 1 to {MOST_EVENTS} events")
    subject: Subject | None = None
    signals: list[tuple[SignalKind, str, datetime]] = []
    for kind, event in events.items():
        if not isinstance(event, Mapping):
            raise EventRefused("invalid_request", "an event must be an object")
        meaning = _meaning(kind, event)
        if meaning is not None:
            subject = subject_of(claims, event)
            signals.append((*meaning, _moment(event, made)))
    return Told(jti, subject, tuple(signals))
