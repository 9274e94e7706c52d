"""Every form of the admin opens for the roles that may use it and for no other, at a cost that rows do not change."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model

from apps.core.admin import PlatformAdmin, Verb
from apps.core.scope import no_scope
from apps.identity.types import PlatformRole
from tests.admin.conftest import World
from tests.admin.staff import Staff, staff, statements, text_of
from tests.admin.test_pages import address, label, models, some_row
from tests.conftest import make_tenant

MAY: dict[str, set[str]] = {
    PlatformRole.SRE: {"bus.parked replay", "bus.parked drop"},
    PlatformRole.SUPPORT: {"identity.acting act", "identity.acting end"},
    PlatformRole.FINOPS: set(),
    PlatformRole.CHANGE_BOARD: {"portal.proposal approve", "portal.proposal reject"},
    PlatformRole.SECURITY: set(),
}
"""Forms, by model and verb, of each role besides the operator, who may use them all."""
MOST_STATEMENTS = 12
"""Most statements of a form, whatever it is about."""


def forms() -> list[tuple[type[Model], Verb]]:
    found = []
    for model in models():
        page = admin.site._registry[model]
        assert isinstance(page, PlatformAdmin)
        found += [(model, verb) for verb in page.verbs]
    return found


def named(value: Any) -> str:
    return label(value) if isinstance(value, type) else value.name


def form_address(world: World, model: type[Model], verb: Verb) -> str:
    where = address(model, "do", verb.name)
    return where if verb.creates else f"{where}?id={quote(some_row(world, model).pk)}"


@pytest.mark.parametrize("role", list(PlatformRole))
def test_a_form_opens_for_those_who_may_use_it_and_for_no_other(world: World, role: str) -> None:
    somebody = staff(role)
    somebody.get("/admin/")
    opened = set()
    for model, verb in forms():
        answer = somebody.get(form_address(world, model, verb))
        assert answer.status_code in {200, 403}, (label(model), verb.name)
        if answer.status_code == 200:
            opened.add(f"{label(model)} {verb.name}")
    every = {f"{label(model)} {verb.name}" for model, verb in forms()}
    assert len(every) > 20
    assert opened == (every if role == PlatformRole.OPERATOR else MAY[role])


@pytest.mark.parametrize(("model", "verb"), forms(), ids=named)
def test_a_form_costs_few_statements_and_says_who_decides(
    world: World, operator: Staff, model: type[Model], verb: Verb
) -> None:
    where = form_address(world, model, verb)
    operator.get("/admin/")
    with statements() as sql:
        page = text_of(operator.get(where))
    assert len(sql) <= MOST_STATEMENTS, "\n".join(sql)
    if "There is nothing to do" not in page:
        assert ("A second person decides" in page) is verb.checked


def propose(operator: Staff) -> None:
    with no_scope():
        kit = make_tenant()
    sent = {"plan": "pro", "reason": "they grew"}
    assert operator.post(f"/admin/tenants/tenant/do/plan/?id={kit.info.id}", sent).status_code == 302


GROWING: dict[str, Callable[[Staff], object]] = {
    "tenants.tenant": lambda one: make_tenant(),
    "portal.proposal": propose,
}


@pytest.mark.parametrize("name", GROWING)
def test_more_rows_cost_no_more_statements(world: World, operator: Staff, name: str) -> None:
    model = next(one for one in models() if label(one) == name)
    operator.get("/admin/")

    def cost() -> int:
        with statements() as sql:
            assert operator.get(address(model, "changelist")).status_code == 200
        return len(sql)

    before = cost()
    for _ in range(5):
        with no_scope():
            GROWING[name](operator)
    assert cost() == before
