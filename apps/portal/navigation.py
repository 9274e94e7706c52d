"""The pages of a tenant, by task, and who sees them. Pure: addresses and permission are handed in."""

from collections.abc import Callable
from dataclasses import dataclass

from apps.portal.types import NavItem, NavSection


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the navigation: its address by name, the verb that policy must allow, its key after `g`."""

    name: str
    label: str
    icon: str
    action: str
    key: str = ""
    about: str = ""


HOME = Page("home", "Home", "house", "graph.summary.read", "h", "what this tenant holds and what changed")
ENTITIES = Page("entities", "Entities", "waypoints", "graph.entity.read", "e", "find people, organisations, assets")
IMPORTS = Page("imports", "Imports", "import", "connectors.job.read", "i", "data brought in, with progress and errors")
LEDGER = Page("ledger", "Ledger", "scroll-text", "ledger.record.read", "l", "every change, numbered and provable")
MEMBERS = Page(
    "members", "Members", "users-round", "identity.member.read", "m", "who is in this tenant, in which roles"
)
KEYS = Page("keys", "API keys", "key-round", "identity.key.read", "k", "machines that act here, what they may do")
ISSUERS = Page(
    "issuers", "Identity providers", "shield-check", "identity.issuer.manage", "p", "whose tokens this tenant trusts"
)
ACCESS = Page(
    "access", "Access", "scale", "policy.decision.read", "c", "what was refused and why, from where people work"
)
FLAGS = Page("flags", "Flags", "flag", "flags.flag.read", "f", "features that are switched on or off here")
LIMITS = Page("limits", "Limits", "gauge", "quotas.usage.read", "u", "what may be used in a second, and what is used")
SETTINGS = Page("settings", "Settings", "settings", "tenants.settings.read", "s", "name, region, retention")
AUDIT = Page("audit", "Audit", "scale", "ledger.export", "a", "verify the ledgers of your tenants, also without us")
DEVELOPERS = Page("developers", "Developers", "code", "graph.summary.read", "d", "addresses, first programs, schema")
EVERYWHERE = (AUDIT, DEVELOPERS)
"""Pages outside any one tenant."""

SECTIONS: tuple[tuple[str, tuple[Page, ...]], ...] = (
    ("Explore", (HOME, ENTITIES)),
    ("Bring in", (IMPORTS,)),
    ("Prove", (LEDGER,)),
    ("Administer", (MEMBERS, KEYS, ISSUERS, ACCESS, FLAGS, LIMITS, SETTINGS)),
)
PAGES: tuple[Page, ...] = tuple(page for _, pages in SECTIONS for page in pages)


def sections_for(allowed: Callable[[str], bool], current: str, address: Callable[[str], str]) -> tuple[NavSection, ...]:
    """Return the navigation of a viewer.

    `allowed` says whether they may do an action, `current` names the page being shown, `address` turns a page's name
    into where it is.
    """
    found = []
    for label, pages in SECTIONS:
        items = tuple(
            NavItem(page.name, page.label, address(page.name), page.icon, page.key, page.name == current)
            for page in pages
            if allowed(page.action)
        )
        if items:
            found.append(NavSection(label, items))
    return tuple(found)
