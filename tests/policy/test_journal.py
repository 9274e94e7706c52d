"""The log of decisions: what is noted, what is left out, how it is explained, how a flood is held."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections

from apps.core.context import Actor, ActorKind, Context
from apps.core.errors import Forbidden, StepUpRequired
from apps.core.ids import new_id
from apps.core.scope import no_scope, system_scope, tenant_scope
from apps.policy import journal, selectors, services
from apps.policy.models import DecisionEntry
from apps.policy.types import DecisionInfo
from tests.conftest import TenantKit, make_tenant


@pytest.fixture
def other_tenant() -> TenantKit:
    with no_scope():
        return make_tenant()


@pytest.fixture(autouse=True)
def nothing_waits() -> None:
    services.flush_decisions()


def entries(kit: TenantKit) -> list[DecisionInfo]:
    services.flush_decisions()
    with no_scope(), tenant_scope(kit.info.id):
        return selectors.decisions(kit.ctx)


def refuse(ctx: Context, action: str = "graph.entity.write") -> UUID:
    with pytest.raises(Forbidden) as refused:
        services.require(ctx, action)
    return UUID(refused.value.details["decision"])


def test_a_refusal_is_logged_with_its_facts_and_no_names(tenant: TenantKit) -> None:
    ctx = tenant.as_role("reader").but(
        actor=Actor(ActorKind.USER, str(new_id()), "Ada Quist"), request_id="request-1", purpose="audit"
    )
    named = refuse(ctx)
    (entry,) = entries(tenant)
    assert entry.id == named
    assert (entry.outcome, entry.rule, entry.action) == ("deny", "default", "graph.entity.write")
    assert entry.reason == "graph.entity.write is not allowed for reader"
    assert entry.facts["roles"] == ["reader"] and entry.facts["scopes"] is None
    assert (entry.request_id, entry.purpose, entry.share) == ("request-1", "audit", 1.0)
    assert entry.revision == selectors.revision()
    assert "Ada" not in repr(entry)


def test_a_step_up_and_a_grave_allow_are_logged(tenant: TenantKit) -> None:
    person = tenant.as_role("owner")
    with pytest.raises(StepUpRequired):
        services.require(person, "identity.member.manage")
    machine = tenant.ctx.but(
        actor=Actor(ActorKind.API_KEY, str(new_id())), roles=frozenset({"admin"}), scopes=frozenset({"admin"})
    )
    assert services.require(machine, "identity.member.manage").allow
    newest, oldest = entries(tenant)
    assert (oldest.outcome, oldest.hits) == ("step_up", ("role owner", "second factor missing"))
    assert (newest.outcome, newest.rule, newest.share) == ("allow", "admin, scope admin", 1.0)


def test_everyday_allows_are_a_sample_that_says_its_share(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = tenant.as_role("reader")
    monkeypatch.setattr(journal, "SHARE", 0.0)
    for _ in range(50):
        services.require(reader, "graph.entity.read")
    assert entries(tenant) == []
    monkeypatch.setattr(journal, "SHARE", 1.0)
    services.require(reader, "graph.entity.read")
    assert [one.share for one in entries(tenant)] == [1.0]


def test_obligations_stand_in_the_log(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SHARE", 1.0)
    services.require(tenant.as_role("reader"), "graph.entity.read")
    assert entries(tenant)[0].redact == {"personal": "mask", "sensitive": "withhold"}


def test_another_tenant_sees_none_of_it(tenant: TenantKit, other_tenant: TenantKit) -> None:
    named = refuse(tenant.as_role("reader"))
    assert [one.id for one in entries(tenant)] == [named]
    with no_scope(), tenant_scope(other_tenant.info.id):
        assert selectors.decision(other_tenant.ctx, named) is None
        assert selectors.decisions(other_tenant.ctx) == []
        with connections["default"].cursor() as cursor:
            cursor.execute("select count(*) from policy_decision where tenant_id = %s", [tenant.info.id])
            assert cursor.fetchone() == (0,)


def test_the_application_cannot_change_the_log(tenant: TenantKit) -> None:
    refuse(tenant.as_role("reader"))
    assert entries(tenant)
    for sql in ("update policy_decision set outcome = 'allow'", "delete from policy_decision"):
        with (
            no_scope(),
            tenant_scope(tenant.info.id),
            connections["default"].cursor() as cursor,
            pytest.raises(DatabaseError),
        ):
            cursor.execute(sql)


def test_a_flood_is_held_and_counted(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_A_SECOND", 5)
    monkeypatch.setattr(journal.time, "monotonic", lambda: 1_000.5)
    before = journal.measures.LOGGED.labels("dropped")._value.get()
    reader = tenant.as_role("reader")
    for _ in range(20):
        with pytest.raises(Forbidden):
            services.require(reader, "graph.entity.write")
    assert len(entries(tenant)) == 5
    assert journal.measures.LOGGED.labels("dropped")._value.get() - before == 15


def test_what_the_database_does_not_take_waits(tenant: TenantKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("away")

    with monkeypatch.context() as patch:
        patch.setattr(DecisionEntry.objects, "bulk_create", away)
        refuse(tenant.as_role("reader"))
        refuse(tenant.as_role("reader"))
        assert services.flush_decisions() == 0
    assert [one.outcome for one in entries(tenant)] == ["deny", "deny"]


def test_an_entry_that_does_not_fit_holds_up_no_other(tenant: TenantKit) -> None:
    before = journal.measures.LOGGED.labels("unfit")._value.get()
    first = refuse(tenant.as_role("reader"))
    refuse(tenant.as_role("reader").but(tenant_id=new_id()))  # a tenant that there is not
    refuse(tenant.as_role("reader").but(purpose="a\x00b"))
    last = refuse(tenant.as_role("reader"))
    assert [one.id for one in entries(tenant)] == [last, first]
    assert journal.measures.LOGGED.labels("unfit")._value.get() - before == 2


def test_old_decisions_go(tenant: TenantKit) -> None:
    old = refuse(tenant.as_role("reader").but(clock=lambda: tenant.ctx.now - timedelta(days=91)))
    young = refuse(tenant.as_role("reader"))
    services.flush_decisions()
    assert services.sweep_decisions(tenant.ctx) >= 1
    assert [one.id for one in entries(tenant)] == [young]
    assert old != young


def test_why_names_facts_and_asks_again(tenant: TenantKit, capsys: pytest.CaptureFixture[str]) -> None:
    named = refuse(tenant.as_role("reader"))
    services.flush_decisions()
    call_command("policy", "why", str(named))
    said = capsys.readouterr().out
    assert "deny: graph.entity.write is not allowed for reader" in said
    assert '"roles": ["reader"]' in said and "the same" in said
    with pytest.raises(CommandError, match="no such decision"):
        call_command("policy", "why", str(new_id()))
    with pytest.raises(CommandError):
        call_command("policy", "why", "nonsense")


def test_a_decision_asked_again_by_other_roles_says_so(tenant: TenantKit) -> None:
    refuse(tenant.as_role("reader"))
    (entry,) = entries(tenant)
    now = selectors.again(replace(entry, facts={**entry.facts, "roles": ["analyst"]}))
    assert now is not None and now.allow
    with system_scope("policy.decisions"):
        assert DecisionEntry.objects.get(id=entry.id).facts["roles"] == ["reader"]
