"""Every verb that the product knows is declared once, granted to someone, and refused to someone."""

import re
from pathlib import Path

from apps.core.sockets import ACTIONS
from apps.policy import rules
from apps.policy.types import Action

APPS = Path(__file__).resolve().parents[2] / "apps"
ASKED = re.compile(
    r"""(?:@guarded|@tenant_page|require|decide|may)\(\s*(?:[a-z_.]*ctx\s*,\s*)?"([a-z]+\.[a-z]+(?:\.[a-z]+)?)\""""
)
OPEN = rules.ANONYMOUS_ACTIONS | rules.EVERYONE_SIGNED_IN


def test_plugs_are_actions_under_their_own_name() -> None:
    assert len(ACTIONS) >= 15
    for name, action in ACTIONS.items():
        assert isinstance(action, Action)
        assert action.name == name
        assert action.about


def test_every_action_is_granted_to_some_role_beside_the_owner() -> None:
    in_tenants = {role: grants for role, grants in rules.ROLE_GRANTS.items() if role != "owner"}
    for name, _ in ACTIONS.items():
        others = rules.PLATFORM_GRANTS if name.startswith(rules.PLATFORM) else in_tenants
        assert rules.granting(others, others, name), f"{name} is for owners only; give it to a role or drop it"


def test_no_role_in_a_tenant_reaches_the_platforms_verbs() -> None:
    platform = [name for name, _ in ACTIONS.items() if name.startswith(rules.PLATFORM)]
    assert len(platform) >= 15
    for name in platform:
        assert rules.granting(rules.ROLE_GRANTS, rules.ROLE_GRANTS, name) is None
        assert rules.granting(rules.SCOPE_GRANTS, rules.SCOPE_GRANTS, name) is None


def test_no_role_but_the_owner_may_everything() -> None:
    for role, grants in rules.ROLE_GRANTS.items():
        if role not in {"owner"}:
            assert any(not rules.grants(grants, name) for name in [*dict(ACTIONS.items()), "platform.tenant.manage"]), (
                role
            )


def test_every_action_that_a_door_asks_for_is_declared() -> None:
    asked = {
        name
        for path in APPS.rglob("*.py")
        if "policy" not in path.parts
        for name in ASKED.findall(path.read_text(encoding="utf-8"))
    }
    assert {"graph.entity.read", "graph.changes.subscribe", "identity.self.read"} <= asked
    assert asked - OPEN <= set(dict(ACTIONS.items()))
