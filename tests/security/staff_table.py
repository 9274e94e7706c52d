"""The table of doors of the admin: for each page and each verb which platform roles are let in.

No role of a tenant, no key and nobody from outside is ever let in here.
"""

from collections.abc import Mapping

from tests.security.callers import STAFF

OPERATOR, SRE, SECURITY, SUPPORT = "staff operator", "staff sre", "staff security", "staff support"
BOARD = "staff change-board"


def _who(*names: str) -> frozenset[str]:
    return frozenset({OPERATOR, *names})


ALONE = _who()
POLICY = _who(SECURITY, SUPPORT)

SITE: Mapping[str, frozenset[str]] = {
    "admin index": frozenset(STAFF),
    "admin search": frozenset(STAFF),
    "admin app_list": _who(SRE, SECURITY),  # of the ledger
    "admin /admin/(?P<url>.*)$": frozenset(STAFF),
}
"""Pages of the site itself: who is of the staff, with a second factor, sees in them what else they may see."""

MODELS: Mapping[str, tuple[str, frozenset[str], Mapping[str, tuple[str, frozenset[str]]]]] = {
    "admin.logentry": ("platform.log.read", ALONE, {}),
    "bus.cursor": ("platform.bus.read", _who(SRE), {}),
    "bus.parked": (
        "platform.bus.read",
        _who(SRE),
        {"replay": ("platform.bus.replay", _who(SRE)), "drop": ("platform.bus.drop", _who(SRE))},
    ),
    "connectors.ingestjob": ("platform.ingest.read", ALONE, {"cancel": ("platform.ingest.cancel", ALONE)}),
    "connectors.ingestmapping": ("platform.ingest.read", ALONE, {}),
    "flags.flag": (
        "platform.flag.read",
        ALONE,
        {
            **dict.fromkeys(("create", "change", "target", "archive"), ("platform.flag.manage", ALONE)),
            **dict.fromkeys(("kill", "restore"), ("platform.flag.kill", ALONE)),
            "try": ("platform.flag.read", ALONE),
        },
    ),
    "graph.edge": ("platform.graph.read", ALONE, {}),
    "graph.entity": ("platform.graph.read", ALONE, {}),
    "identity.acting": (
        "platform.acting.read",
        POLICY,
        {
            "act": ("platform.tenant.act", _who(SUPPORT)),
            "act-widely": ("platform.tenant.act_widely", ALONE),
            "end": ("platform.tenant.act", _who(SUPPORT)),
        },
    ),
    "identity.apikey": ("platform.key.read", ALONE, {"revoke": ("platform.key.revoke", ALONE)}),
    "identity.membership": (
        "platform.member.read",
        ALONE,
        dict.fromkeys(("add", "roles", "remove"), ("platform.member.manage", ALONE)),
    ),
    "identity.user": ("platform.account.read", ALONE, {"create": ("platform.account.create", ALONE)}),
    "ledger.head": ("platform.ledger.read", _who(SECURITY), {}),
    "ledger.record": ("platform.ledger.read", _who(SECURITY), {}),
    "ledger.sequencer": ("platform.health.read", _who(SRE, SECURITY), {}),
    "policy.decisionentry": ("platform.policy.read", POLICY, {}),
    "policy.fence": ("platform.policy.read", POLICY, {}),
    "policy.signalentry": ("platform.policy.read", POLICY, {}),
    "portal.proposal": (
        "platform.proposal.read",
        _who(BOARD),
        dict.fromkeys(("approve", "reject"), ("platform.proposal.decide", _who(BOARD))),
    ),
    "quotas.override": (
        "platform.quota.read",
        ALONE,
        dict.fromkeys(("grant", "withdraw"), ("platform.quota.change", ALONE)),
    ),
    "tenants.tenant": (
        "platform.tenant.read",
        _who(SUPPORT),
        {
            "create": ("platform.tenant.create", ALONE),
            **dict.fromkeys(("plan", "close", "suspend", "reactivate", "offboard"), ("platform.tenant.change", ALONE)),
        },
    ),
    "vault.objectmanifest": ("platform.vault.read", ALONE, {}),
    "vault.signingkey": ("platform.vault.read", ALONE, {"rotate": ("platform.vault.rotate", ALONE)}),
}
"""Action and roles of a model's pages, and of its verbs. No form adds, changes or deletes a row: those pages let nobody in."""

CLOSED = ("add", "delete")
"""Views that Django's admin has and that let nobody in."""


def rows() -> dict[str, tuple[str, frozenset[str]]]:
    """Return action and callers of every page of the admin."""
    found = {door: ("", who) for door, who in SITE.items()}
    for label, (action, who, verbs) in MODELS.items():
        for view in ("changelist", "change", "history", *CLOSED):
            found[f"admin {label} {view}"] = (action, frozenset() if view in CLOSED else who)
        for verb, (asked, allowed) in verbs.items():
            found[f"admin {label} do {verb}"] = (asked, allowed)
    return found
