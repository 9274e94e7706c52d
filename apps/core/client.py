"""Where a request comes from, as far as that can be believed."""

import re
from collections.abc import Mapping
from dataclasses import replace

from apps.core import conf
from apps.core.context import SessionFacts

_COUNTRY = re.compile(r"^[A-Z]{2}$")
_NOWHERE = frozenset({"XX", "T1"})  # how edge networks say "unknown" and "an anonymising network"
_DEVICES = {"trusted": True, "untrusted": False}


def client_of(peer: str, forwarded_for: str) -> str:
    """Return the client's address: the peer's, or what a trusted proxy says (the last hop of X-Forwarded-For)."""
    if peer in conf.get().items_of("IG_TRUSTED_PROXIES"):
        hops = [part.strip() for part in forwarded_for.split(",") if part.strip()]
        if hops:
            return hops[-1]
    return peer


def surroundings(facts: SessionFacts, peer: str, headers: Mapping[str, str]) -> SessionFacts:
    """Return `facts` with what a trusted proxy says of place, device and risk; of anyone else nothing is believed.

    `headers` are found by lower-case name. A value that is none of the known ones says nothing, except for risk, where
    it stands as it came: policy refuses what it does not know.
    """
    settings = conf.get()
    names = settings["IG_COUNTRY_HEADER"], settings["IG_DEVICE_HEADER"], settings["IG_RISK_HEADER"]
    if not any(names) or peer not in settings.items_of("IG_TRUSTED_PROXIES"):
        return facts
    country, device, risk = (headers.get(name.lower(), "").strip() if name else "" for name in names)
    country = country.upper()
    return replace(
        facts,
        country=country if _COUNTRY.match(country) and country not in _NOWHERE else facts.country,
        device_trusted=_DEVICES.get(device.lower(), facts.device_trusted),
        risk=risk.lower()[:20] or facts.risk,
    )
