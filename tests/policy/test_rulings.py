"""Answers are kept per revision, bounded, and a policy that cannot answer refuses."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from apps.core.context import Actor, ActorKind, Context
from apps.core.ids import new_id
from apps.policy import packs, rulings, services
from apps.policy.engine import PolicyFault
from apps.policy.types import Tags, Treatment


@pytest.fixture(autouse=True)
def shipped() -> Iterator[None]:
    """Leave the shipped pack behind."""
    yield
    rulings.use(packs.shipped())


def person(*roles: str) -> Context:
    return Context(Actor(ActorKind.USER, "u"), new_id(), "alpha", roles=frozenset(roles), purpose="investigation")


def changed(old: str, new: str, module: str) -> packs.Pack:
    pack = packs.shipped()
    source = pack.modules[module]
    assert old in source
    return pack.without(module, source.replace(old, new))


def test_the_engine_is_asked_once_for_the_same_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    rulings.use(packs.shipped())
    asked: list[str] = []
    engine = rulings._current().engine
    real = engine.ask
    monkeypatch.setattr(engine, "ask", lambda entry, facts: asked.append(entry) or real(entry, facts))
    for _ in range(3):
        assert services.decide(person("reader"), "graph.entity.read").allow
    assert asked == ["ig/access/decision"]


def test_another_pack_takes_effect_at_once_for_every_question() -> None:
    assert services.decide(person("reader"), "graph.entity.read").allow
    rulings.use(changed("	action in patterns\n", "	action in patterns\n	false\n", "ig/access/access.rego"))
    after = services.decide(person("reader"), "graph.entity.read")
    assert not after.allow
    assert after.revision == rulings.revision() != packs.shipped().revision


def test_a_pack_that_does_not_compile_leaves_the_present_one() -> None:
    before = rulings.revision()
    with pytest.raises(PolicyFault):
        rulings.use(packs.shipped().without("ig/zt/zt.rego", "package ig.zt\n\nx if {\n"))
    assert rulings.revision() == before
    assert services.decide(person("reader"), "graph.entity.read").allow


def test_without_an_answer_everything_is_refused_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rulings.use(packs.shipped())
    engine = rulings._current().engine

    def broken(entry: str, facts: Any) -> Any:
        raise PolicyFault("broken")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "ask", broken)
        ctx = person("owner")
        decision = services.decide(ctx, "graph.entity.read")
        assert (decision.allow, decision.rule) == (False, "fault")
        assert services.clearance(ctx).data_classes == frozenset()
        assert rulings.visibility(Tags("public"), services.clearance(ctx)).treatment is Treatment.WITHHOLD
        assert not services.assess(ctx.but(tenant_id=None)).allow
    assert services.decide(person("owner"), "graph.entity.read").allow


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulings, "MOST", 50)
    rulings.use(packs.shipped())
    for number in range(200):
        services.decide(person("reader").but(purpose=f"p{number}"), "graph.entity.read")
    assert len(rulings._current().decisions) <= 50


def test_threads_get_their_own_answers() -> None:
    rulings.use(packs.shipped())
    wrong: list[str] = []

    def ask(role: str, allowed: bool) -> None:
        for number in range(40):
            verb = "graph.entity.write" if number % 2 else f"graph.invented.v{number}"
            if services.decide(person(role, f"r{number}"), "graph.entity.write").allow is not allowed:
                wrong.append(verb)

    threads = [threading.Thread(target=ask, args=one) for one in (("analyst", True), ("reader", False)) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", ['x"y', "x\\y", "x\ny", "Å", "x" * 500, "", '{"allow":true}'])
def test_names_that_are_none_change_no_answer(name: str) -> None:
    ctx = person("reader", name)
    assert services.decide(ctx, "graph.entity.read").allow
    assert not services.decide(ctx, "graph.entity.write").allow
    assert not services.decide(person(name), "graph.entity.read").allow


def test_warming_asks_what_requests_ask_first() -> None:
    rulings.use(packs.shipped())
    rulings.warm(services.deciding._everyday())
    kept = len(rulings._current().rulings)
    assert services.decide(person("reader"), "graph.entity.read").allow
    assert len(rulings._current().rulings) == kept
