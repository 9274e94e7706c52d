"""The built-in rules: which role and which scope may do what. Pure decisions; no Django, no rows.

A grant is an action's name or a prefix that ends in `.*`. People and machines need a role that grants; a key or token
that is limited to scopes needs a scope that grants as well. What no rule grants is refused.
"""

from collections.abc import Iterable, Mapping

READ_GRAPH = (
    "graph.entity.read",
    "graph.edge.read",
    "graph.search",
    "graph.summary.read",
    "graph.changes.subscribe",
    "graph.history.read",
)
WRITE_GRAPH = ("graph.entity.write", "graph.edge.write")
INGEST = ("connectors.job.read", "connectors.job.create", "connectors.mapping.read", "connectors.mapping.write")

ROLE_GRANTS: Mapping[str, tuple[str, ...]] = {
    "owner": ("*",),
    "admin": (
        *READ_GRAPH,
        *WRITE_GRAPH,
        "graph.entity.delete",
        *INGEST,
        "connectors.*",
        "ledger.*",
        "identity.*",
        "tenants.*",
        "quotas.*",
        "policy.*",
        "privacy.*",
        "billing.*",
        "portal.*",
    ),
    "analyst": (*READ_GRAPH, *WRITE_GRAPH, "graph.entity.delete", *INGEST, "ledger.record.read", "quotas.usage.read"),
    "reader": (*READ_GRAPH, "quotas.usage.read"),
    "developer": (*READ_GRAPH, *WRITE_GRAPH, *INGEST, "identity.key.read", "identity.key.manage", "quotas.usage.read"),
    "billing": ("graph.summary.read", "billing.*", "quotas.usage.read"),
    "dpo": (*READ_GRAPH, "privacy.*", "ledger.*", "quotas.usage.read"),
    "auditor:tenant": ("graph.summary.read", "ledger.*", "evidence.*", "quotas.usage.read"),
    "auditor:org": ("graph.summary.read", "ledger.*", "evidence.*"),
}

SCOPE_GRANTS: Mapping[str, tuple[str, ...]] = {
    "reader": (*READ_GRAPH, "connectors.job.read", "connectors.mapping.read", "quotas.usage.read"),
    "writer": (*READ_GRAPH, *WRITE_GRAPH, "graph.entity.delete", *INGEST, "quotas.usage.read"),
    "admin": ("*",),
}

PLATFORM = "platform."
PLATFORM_GRANTS: Mapping[str, tuple[str, ...]] = {
    "operator": ("platform.*",),
    "sre": ("platform.health.read", "platform.bus.*"),
    "security": ("platform.health.read", "platform.ledger.read"),
    "support": ("platform.tenant.read",),
}

# What each role may see in clear. A machine sees what its scope's role sees.
_OPEN = frozenset({"public", "internal"})
_BUSINESS = _OPEN | {"confidential"}
_PERSONAL = _BUSINESS | {"personal"}
_ALL = _PERSONAL | {"sensitive"}
ROLE_CLEARANCE: Mapping[str, frozenset[str]] = {
    "owner": _ALL,
    "admin": _PERSONAL,
    "analyst": _PERSONAL,
    "developer": _PERSONAL,
    "dpo": _ALL,
    "reader": _BUSINESS,
    "billing": frozenset({"public"}),
    "auditor:tenant": _OPEN,
    "auditor:org": _OPEN,
}
PLATFORM_CLEARANCE: Mapping[str, frozenset[str]] = {"operator": _OPEN}
"""What platform staff see in clear of what tenants hold: nothing that is more than internal."""
SCOPE_CLEARANCE: Mapping[str, frozenset[str]] = {"reader": _BUSINESS, "writer": _PERSONAL, "admin": _ALL}

ANONYMOUS_ACTIONS = frozenset({"gateway.version.read"})
EVERYONE_SIGNED_IN = frozenset({"gateway.version.read", "identity.self.read"})


def grants(patterns: Iterable[str], action: str) -> bool:
    """Return whether one of the patterns is the action or a prefix of it.

    `*` is everything in a tenant; the platform's own verbs are only granted by name.
    """
    return any(
        p == action
        or (p == "*" and not action.startswith(PLATFORM))
        or (p.endswith(".*") and action.startswith(p[:-1]))
        for p in patterns
    )


def granting(table: Mapping[str, tuple[str, ...]], names: Iterable[str], action: str) -> str | None:
    """Return the first of the roles or scopes (in order of name) that grants the action, or None."""
    for name in sorted(names):
        if grants(table.get(name, ()), action):
            return name
    return None


def cleared_classes(roles: Iterable[str], scopes: Iterable[str] | None) -> frozenset[str]:
    """Return the data classes shown in clear: what the roles give together, within what the scopes give together."""
    by_role: frozenset[str] = frozenset().union(*(ROLE_CLEARANCE.get(role, frozenset()) for role in roles))
    if scopes is None:
        return by_role
    by_scope: frozenset[str] = frozenset().union(*(SCOPE_CLEARANCE.get(scope, frozenset()) for scope in scopes))
    return by_scope & by_role if by_role else by_scope


def platform_classes(platform_roles: Iterable[str]) -> frozenset[str]:
    """Return the data classes that staff of these roles see in clear outside any tenant."""
    return frozenset().union(*(PLATFORM_CLEARANCE.get(role, frozenset()) for role in platform_roles))
