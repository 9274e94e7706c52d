"""Icons for kinds of entities. Pure. Kinds are the tenants' own words, so every unknown one gets the same dot."""

_ICONS = {
    "analytic": "chart-line",
    "asset": "package",
    "attackpattern": "crosshair",
    "campaign": "flag",
    "city": "map-pin",
    "company": "building-2",
    "country": "globe",
    "courseofaction": "shield",
    "datacomponent": "layers",
    "datasource": "database",
    "detectionstrategy": "radar",
    "forum": "messages-square",
    "identity": "circle-user-round",
    "infrastructure": "server",
    "intrusionset": "venetian-mask",
    "location": "map-pin",
    "malware": "bug",
    "matrix": "grid-3x3",
    "organisation": "building-2",
    "organization": "building-2",
    "person": "user-round",
    "place": "map-pin",
    "tactic": "route",
    "tag": "tag",
    "threatactor": "venetian-mask",
    "tool": "wrench",
    "university": "graduation-cap",
    "vulnerability": "triangle-alert",
}


def icon_of(kind: str) -> str:
    """Return the icon of a kind, however it is written: `attack-pattern`, `AttackPattern`, `x-mitre-tactic`, `MitreTactic`."""
    letters = "".join(c for c in kind.lower() if c.isalnum())
    return _ICONS.get(letters.removeprefix("x").removeprefix("mitre"), _ICONS.get(letters, "circle-dot"))
