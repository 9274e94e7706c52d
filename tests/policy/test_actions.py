"""Every verb that the product knows is declared once, granted to someone, and refused to someone."""

import re
from pathlib import Path

from apps.core.sockets import ACTIONS
from apps.policy import rulings, selectors
from apps.policy.types import Action

APPS = Path(__file__).resolve().parents[2] / "apps"
ASKED = re.compile(
    r"""(?:@guarded|@tenant_page|require|decide|may)\(\s*(?:[a-z_.]*ctx\s*,\s*)?"([a-z]+\.[a-z]+(?:\.[a-z]+)?)\""""
)
PLATFORM = "platform."
GRANTS = selectors.grants()
OPEN = frozenset().union(*selectors.open_actions())


def may(part: str, name: str, action: str) -> bool:
    """Whether the pack lets somebody of that role, platform role or scope (alone) do an action."""
    question = rulings.Question(
        actor="key" if part == "scopes" else "user",
        tenant=True,
        roles=frozenset({name}) if part == "roles" else frozenset(),
        scopes=frozenset({name}) if part == "scopes" else None,
        platform_roles=frozenset({name}) if part == "platform_roles" else frozenset(),
        action=action,
        known=True,
        grave=False,
        step_up=False,
    )
    return rulings.ruling(question).allow


def granting(part: str, action: str) -> set[str]:
    return {name for name in GRANTS[part] if may(part, name, action)}


def test_plugs_are_actions_under_their_own_name() -> None:
    assert len(ACTIONS) >= 15
    for name, action in ACTIONS.items():
        assert isinstance(action, Action)
        assert action.name == name
        assert action.about


def test_every_action_is_granted_to_some_role_beside_the_owner() -> None:
    for name, _ in ACTIONS.items():
        part = "platform_roles" if name.startswith(PLATFORM) else "roles"
        assert granting(part, name) - {"owner"}, f"{name} is for owners only; give it to a role or drop it"


def test_no_role_in_a_tenant_reaches_the_platforms_verbs() -> None:
    platform = [name for name, _ in ACTIONS.items() if name.startswith(PLATFORM)]
    assert len(platform) >= 15
    for name in platform:
        assert granting("roles", name) == granting("scopes", name) == set()


def test_no_role_but_the_owner_may_everything() -> None:
    names = [*dict(ACTIONS.items()), "graph.entity.invented"]
    for role in GRANTS["roles"]:
        assert all(may("roles", role, name) for name in names if not name.startswith(PLATFORM)) is (role == "owner"), (
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
