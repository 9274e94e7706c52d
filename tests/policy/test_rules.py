"""The built-in rules: every role and scope, what it may, what it may not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from apps.core import clock
from apps.core.context import ANONYMOUS, Actor, ActorKind, Context, SessionFacts
from apps.core.errors import Forbidden, StepUpRequired, Unauthenticated
from apps.core.sockets import ACTIONS
from apps.identity.types import SCOPE_ROLES, PlatformRole, Role
from apps.policy import selectors, services
from apps.policy.assessment import is_fresh
from apps.policy.types import Action

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TENANT = UUID("01990000-0000-7000-8000-000000000001")


@pytest.fixture(autouse=True)
def known_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let policy know a few verbs, whatever the installed apps plug."""
    names = (
        "graph.entity.read",
        "graph.entity.write",
        "graph.entity.delete",
        "identity.member.manage",
        "ledger.record.read",
    )
    plugs = {name: Action(name, "for the test") for name in names}
    plugs["privacy.erasure.create"] = Action("privacy.erasure.create", "for the test", step_up=True)
    monkeypatch.setattr(ACTIONS, "_plugs", plugs)


def person(*roles: str, **facts: object) -> Context:
    return Context(
        Actor(ActorKind.USER, "u"),
        TENANT,
        "alpha",
        roles=frozenset(roles),
        clock=clock.fixed(NOW),
        session=SessionFacts(**facts),
    )  # type: ignore[arg-type]


def machine(scope: str) -> Context:
    return Context(Actor(ActorKind.API_KEY, "k"), TENANT, "alpha", roles=SCOPE_ROLES[scope], scopes=frozenset({scope}))


@pytest.mark.parametrize(
    ("role", "action", "allowed"),
    [
        ("owner", "graph.entity.delete", True),
        ("admin", "identity.member.manage", True),
        ("analyst", "graph.entity.write", True),
        ("analyst", "identity.member.manage", False),
        ("reader", "graph.entity.read", True),
        ("reader", "graph.entity.write", False),
        ("developer", "graph.entity.write", True),
        ("developer", "graph.entity.delete", False),
        ("billing", "graph.entity.read", False),
        ("dpo", "ledger.record.read", True),
        ("dpo", "graph.entity.write", False),
        ("auditor:tenant", "graph.entity.read", False),
        ("auditor:tenant", "ledger.record.read", True),
        ("auditor:org", "ledger.record.read", True),
        ("nonsense", "graph.entity.read", False),
    ],
)
def test_roles(role: str, action: str, allowed: bool) -> None:
    assert services.decide(person(role), action).allow is allowed


@pytest.mark.parametrize(
    ("scope", "action", "allowed"),
    [
        ("reader", "graph.entity.read", True),
        ("reader", "graph.entity.write", False),
        ("writer", "graph.entity.write", True),
        ("writer", "identity.member.manage", False),
        ("admin", "identity.member.manage", True),
    ],
)
def test_scopes(scope: str, action: str, allowed: bool) -> None:
    assert services.decide(machine(scope), action).allow is allowed


def test_a_scope_never_gives_more_than_the_role() -> None:
    limited = person("reader").but(actor=Actor(ActorKind.API_KEY, "k"), scopes=frozenset({"admin"}))
    assert not services.decide(limited, "graph.entity.write").allow


def test_every_role_of_identity_has_rules_and_a_clearance() -> None:
    roles = selectors.grants()["roles"]
    assert set(roles) == {role.value for role in Role}
    assert all(said["grants"] and said["clear"] for said in roles.values())
    assert set(selectors.grants()["scopes"]) == set(SCOPE_ROLES)
    assert set(selectors.grants()["platform_roles"]) == {role.value for role in PlatformRole}


def test_roles_count_in_their_own_tenant_only() -> None:
    assert not services.decide(person("owner").but(tenant_id=None), "graph.entity.read").allow


def test_an_unknown_action_is_refused_also_to_owners() -> None:
    decision = services.decide(person("owner"), "graph.entity.explode")
    assert (decision.allow, decision.rule) == (False, "unknown-action")


def test_nobody_is_told_to_sign_in() -> None:
    with pytest.raises(Unauthenticated):
        services.require(Context(actor=ANONYMOUS), "graph.entity.read")


def test_refusals_name_action_and_rule() -> None:
    with pytest.raises(Forbidden) as refused:
        services.require(person("reader"), "graph.entity.write")
    told = refused.value.details
    assert UUID(told.pop("decision"))
    assert told == {"action": "graph.entity.write", "rule": "default"}


def test_step_up_is_asked_of_people_and_ends() -> None:
    with pytest.raises(StepUpRequired):
        services.require(person("dpo"), "privacy.erasure.create")
    fresh = person("dpo", second_factor_at=NOW - timedelta(minutes=14))
    assert services.require(fresh, "privacy.erasure.create").allow
    stale = person("dpo", second_factor_at=NOW - timedelta(minutes=16))
    with pytest.raises(StepUpRequired):
        services.require(stale, "privacy.erasure.create")


def test_a_second_factor_from_the_future_is_not_fresh() -> None:
    assert not is_fresh(NOW + timedelta(seconds=1), NOW)


@pytest.mark.parametrize(
    ("facts", "allow", "step_up"),
    [
        (SessionFacts(), True, False),
        (SessionFacts(risk="medium"), False, True),
        (SessionFacts(risk="medium", second_factor_at=NOW), True, False),
        (SessionFacts(risk="high", second_factor_at=NOW), False, False),
        (SessionFacts(risk="nonsense"), False, False),
        (SessionFacts(device_trusted=False), False, False),
        (SessionFacts(device_trusted=True), True, False),
    ],
)
def test_zero_trust(facts: SessionFacts, allow: bool, step_up: bool) -> None:
    verdict = services.assess(person("owner").but(session=facts, tenant_id=None))
    assert (verdict.allow, verdict.step_up) == (allow, step_up)


def test_zero_trust_stops_people_and_passes_machines() -> None:
    with pytest.raises(Forbidden):
        services.assess_session(person("owner", risk="high"))
    services.assess_session(machine("reader"))
