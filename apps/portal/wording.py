"""Events in words that people read, and an icon for each. Pure. Unknown ones are shown by their own name."""

EVENTS: dict[str, tuple[str, str]] = {
    "graph.entities.upserted": ("Entities written", "pencil"),
    "graph.edges.upserted": ("Relations written", "waypoints"),
    "graph.entities.deleted": ("Entities deleted", "trash-2"),
    "identity.member.added": ("Member added", "users-round"),
    "identity.member.removed": ("Member removed", "users-round"),
    "identity.member.roles_changed": ("Member’s roles changed", "user-round-cog"),
    "identity.apikey.created": ("API key created", "key-round"),
    "identity.apikey.rotated": ("API key rotated", "refresh-cw"),
    "identity.issuer.trusted": ("Identity provider trusted", "shield-check"),
    "identity.issuer.distrusted": ("Identity provider trusted no more", "shield-x"),
    "identity.token.revoked": ("Token revoked", "ban"),
    "identity.apikey.revoked": ("API key revoked", "key-round"),
    "identity.invitation.made": ("Somebody invited", "send"),
    "identity.invitation.sent_again": ("Invitation sent again", "send"),
    "identity.invitation.revoked": ("Invitation withdrawn", "ban"),
    "identity.invitation.accepted": ("Invitation accepted", "user-round"),
    "identity.acting.started": ("Platform staff began to act here", "venetian-mask"),
    "identity.acting.ended": ("Platform staff act here no more", "venetian-mask"),
    "identity.password.changed": ("Password changed", "key-round"),
    "identity.password.reset_sent": ("Link to a new password sent", "send"),
    "tenants.tenant.created": ("Tenant created", "building-2"),
    "tenants.tenant.status_changed": ("Tenant’s status changed", "building-2"),
    "tenants.tenant.settings_changed": ("Settings changed", "pencil"),
    "vault.object.stored": ("File stored", "file-lock"),
    "vault.object.deleted": ("File deleted", "file-lock"),
    "vault.signature.made": ("Document signed", "fingerprint"),
    "connectors.ingest.requested": ("Import asked for", "import"),
    "connectors.ingest.started": ("Import started", "import"),
    "connectors.ingest.finished": ("Import finished", "import"),
    "bus.parked.replayed": ("Parked event replayed", "rotate-ccw"),
    "bus.parked.dropped": ("Parked event dropped", "trash-2"),
    "portal.filter.saved": ("Filter kept", "list-filter"),
    "portal.filter.deleted": ("Kept filter deleted", "trash-2"),
    "portal.proposal.made": ("Change proposed", "send"),
    "portal.proposal.applied": ("Proposal approved and applied", "circle-check"),
    "portal.proposal.rejected": ("Proposal rejected", "ban"),
    "portal.proposal.expired": ("Proposal expired", "clock"),
    "tenants.tenant.plan_changed": ("Plan changed", "credit-card"),
    "quotas.override.granted": ("Limit granted", "gauge"),
    "quotas.override.withdrawn": ("Limit withdrawn", "gauge"),
    "portal.admin.entered": ("Admin entered", "shield"),
    "identity.user.created": ("Account created", "circle-user-round"),
    "identity.second_factor.enrolled": ("Second factor enrolled", "shield-check"),
    "identity.passkey.added": ("Passkey added", "fingerprint"),
    "identity.passkey.removed": ("Passkey removed", "fingerprint"),
    "identity.passkey.clone_suspected": ("Copy of a passkey suspected", "shield-alert"),
    "identity.session.started": ("Signed in", "log-in"),
    "identity.session.refused": ("Sign-in refused", "ban"),
    "identity.session.revoked": ("Sessions ended", "log-out"),
    "identity.member.signed_out": ("Member signed out everywhere", "log-out"),
    "identity.account.locked": ("Sign-in closed after failures", "lock"),
    "identity.second_factor.removed": ("Second factor removed", "shield-x"),
    "identity.recovery_codes.made": ("Recovery codes made", "life-buoy"),
    "identity.recovery_code.used": ("Recovery code used", "life-buoy"),
    "identity.session.ended": ("Signed out", "log-out"),
    "vault.key.created": ("Signing key made", "fingerprint"),
    "vault.key.rotated": ("Signing key rotated", "refresh-cw"),
    "vault.key.retired": ("Signing key retired", "lock"),
    "flags.flag.declared": ("Flag declared in the file", "flag"),
    "flags.flag.created": ("Flag made", "flag"),
    "flags.flag.changed": ("Flag changed", "pencil"),
    "flags.flag.targeted": ("Flag set for a tenant", "flag"),
    "flags.flag.killed": ("Kill switch thrown", "ban"),
    "flags.flag.restored": ("Flag restored", "rotate-ccw"),
    "flags.flag.archived": ("Flag archived", "lock"),
    "flags.flag.expired": ("Flag expired", "clock"),
    "flags.flag.went_stale": ("Flag unused", "clock"),
    "connectors.mapping.saved": ("Mapping saved", "file-json"),
}
"""Event name to (words, icon)."""


RETENTION: dict[str, str] = {
    "short-30d": "30 days after its last change",
    "standard-365d": "365 days after its last change",
    "long-1825d": "5 years after its last change",
    "legal-hold": "until the legal hold is lifted",
}
"""Retention tier to words."""

REDACTION: dict[str, str] = {
    "none": "as its data class asks",
    "mask": "name and values are masked",
    "hash": "values are replaced by hashes",
    "generalise": "values are made coarser",
    "drop": "values are left out",
    "withhold": "withheld, and counted",
}
"""Redaction policy to words."""


def words_of(event: str) -> str:
    """Return what an event means in words, or its name."""
    return EVENTS.get(event, (event, ""))[0]


def icon_of(event: str) -> str:
    """Return the icon of an event."""
    return EVENTS.get(event, ("", "circle-dot"))[1]
